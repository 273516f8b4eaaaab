"""Files: what the simulator writes, what the loader reads, and what it refuses, by CSV and row."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile

from kmodels.core.runs import user_data
from kmodels.core.spec.errors import UserError
from kmodels.echo.data import batvision
from kmodels.echo.data import load as loader
from kmodels.echo.data.load import load
from kmodels.echo.data.split import split
from kmodels.echo.recipe import SPECTROGRAM, EchoRecipe
from kmodels.echo.simulator.recordings import simulate

RECIPE = (
    EchoRecipe()
    .with_changes(SPECTROGRAM)
    .with_changes(
        {"data": {"n_rooms": 7, "pairs_per_room": 2, "image_size": 16, "max_depth": 6.0, "furniture": [0, 3]}}
    )
)
SMALL = EchoRecipe().with_changes(SPECTROGRAM).with_changes({"data": {"image_size": 16, "max_depth": 2.0}})
SAMPLES = 518  # of 2 m


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """A simulated data set, to read and never to change."""
    folder = tmp_path_factory.mktemp("simulated")
    shown = []
    facts = simulate(RECIPE, folder, lambda done, total: shown.append((done, total)))
    assert facts["pairs"] == "14" and shown == [(2 * k, 14) for k in range(1, 8)]
    return folder


def recording(n=SAMPLES, seed=0):
    return np.random.default_rng(seed).uniform(-0.1, 0.1, (n, 2))


def depth(shape=(20, 24), seed=0):
    return np.random.default_rng(seed).integers(500, 1900, shape).astype(np.uint16)


def v2(folder, n=3, location="hall"):
    """A small data set in the layout of V2, written down here once more; returns its location's folder."""
    place = folder / location
    rows = []
    for part in ("audio", "depth"):
        (place / part).mkdir(parents=True)
    for k in range(n):
        soundfile.write(place / "audio" / f"a{k}.wav", recording(seed=k), 44_100, subtype="PCM_32")
        np.save(place / "depth" / f"d{k}.npy", depth(seed=k))
        rows.append((f"{location}/depth", f"d{k}.npy", f"{location}/audio", f"a{k}.wav"))
    table = pd.DataFrame(rows, columns=["depth path", "depth file name", "audio path", "audio file name"])
    for name, part in (("train", table[:-2]), ("val", table[-2:-1]), ("test", table[-1:])):
        part.to_csv(place / f"{name}.csv", index=False)
    return place


def v1(folder, n=2):
    """The same in the layout of V1: one CSV, an array for each ear, depth with NaN."""
    rows = []
    for name in ("left", "right", "depth"):
        (folder / name).mkdir(parents=True)
    for k in range(n):
        ears, seen = recording(seed=k), depth(seed=k).astype("float32")
        seen[2:5, 3:9] = np.nan
        seen[9, 9] = np.inf
        for ear, name in enumerate(("left", "right")):
            np.save(folder / name / f"{k}.npy", ears[:, ear])
        np.save(folder / "depth" / f"{k}.npy", seen)
        rows.append((f"depth/{k}.npy", f"left/{k}.npy", f"right/{k}.npy"))
    pd.DataFrame(rows, columns=["depth path", "audio path left", "audio path right"]).to_csv(
        folder / "train.csv", index=False
    )


def refused(path, said, recipe=SMALL, **options):
    """The message, one line that matches `said`."""
    with pytest.raises(UserError) as caught:
        load(path, recipe, **options)
    message = str(caught.value)
    assert "\n" not in message and re.search(said, message), message


def test_the_simulator_writes_v2(simulated):
    assert sorted(path.name for path in simulated.iterdir()) == [f"room-{k:05d}" for k in range(7)]
    room = simulated / "room-00003"
    tables = {name: pd.read_csv(room / f"{name}.csv") for name in ("train", "val", "test")}
    (rows,) = (table for table in tables.values() if len(table))
    assert len(rows) == 2
    row = rows.iloc[1]
    info = soundfile.info(simulated / row["audio path"] / row["audio file name"])
    assert (info.samplerate, info.channels, info.subtype, info.frames) == (44_100, 2, "PCM_32", 1556)
    stored = np.load(simulated / row["depth path"] / row["depth file name"])
    assert stored.dtype == np.uint16 and stored.shape == (16, 16) and 300 < np.median(stored) < 17_000


def test_a_pair_is_written_in_millimetres_and_full_scale(tmp_path):
    """1.2346 m is 1235 mm; more than 16 bits hold is the most that they hold; recordings keep 31 bits."""
    seen = np.array([[1.2346, 0.0], [12.0, 80.0]])
    row = batvision.write_pair(tmp_path, "hall", 3, recording(), seen)
    stored = np.load(tmp_path / row["depth path"] / row["depth file name"])
    assert stored.tolist() == [[1235, 0], [12_000, 65_535]]
    read, rate = soundfile.read(tmp_path / row["audio path"] / row["audio file name"])
    assert rate == 44_100
    np.testing.assert_allclose(read, recording(), atol=1e-9)


def test_written_data_is_read_back(simulated):
    pairs = load(simulated, RECIPE)
    assert len(pairs) == 14 and pairs.size == 16 and len(set(pairs.groups)) == 7
    assert pairs.sound([0, 3])["spectrogram"].shape == (2, 16, 48, 2) and pairs.depth([0, 3]).shape == (2, 16, 16)
    for row in (0, 13):
        stored = pairs.stored_depth(row)
        np.testing.assert_allclose(pairs.depth([row])[0], np.minimum(stored, 6.0), atol=1e-6)
    some = pairs.take([5, 2])
    assert some.names.tolist() == pairs.names[[5, 2]].tolist() and len(some) == 2
    np.testing.assert_array_equal(some.depth([1]), pairs.depth([2]))


def test_no_room_is_in_two_parts_and_the_csvs_agree(simulated):
    pairs = load(simulated, RECIPE)
    by_room = split(pairs, RECIPE)
    by_files = split(pairs, RECIPE.with_changes({"data": {"split_by": "files"}}))
    assert sorted(np.concatenate(list(by_room.values()))) == list(range(14))
    for name, rows in by_room.items():
        assert len(rows) >= 2 and rows.tolist() == by_files[name].tolist()
        others = np.setdiff1d(np.arange(14), rows)
        assert not set(pairs.groups[rows]) & set(pairs.groups[others])


def test_an_interrupted_simulation_goes_on(simulated, tmp_path):
    """Rooms that are whole are left alone, one that is not is made again, and is the same."""
    shutil.copytree(simulated, tmp_path, dirs_exist_ok=True)
    (part,) = (path for path in (tmp_path / "room-00002").glob("*.csv") if len(path.read_text().splitlines()) > 1)
    part.unlink()
    sounds = sorted(tmp_path.glob("*/audio/*.wav"))
    kept = {path: path.stat().st_mtime_ns for path in sounds if "room-00002" not in str(path)}
    again = tmp_path / "room-00002" / "audio" / "audio_00001.wav"
    again.write_bytes(b"cut short")
    shown = []
    facts = simulate(RECIPE, tmp_path, lambda done, total: shown.append((done, total)))
    assert shown == [(14, 14)] and facts["pairs"] == "14"
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    for path in sounds:
        assert path.read_bytes() == (simulated / path.relative_to(tmp_path)).read_bytes()
    assert simulate(RECIPE, tmp_path, None) == {"pairs": "14"}


def test_batvision_v2_as_it_is_on_disk(tmp_path):
    """One sample of the published sizes, further columns, paths relative to the folder of locations."""
    place = tmp_path / "2ndFloor"
    for part in ("audio", "depth"):
        (place / part).mkdir(parents=True)
    seen = depth((720, 1280))
    seen[:, :256] = 0
    np.save(place / "depth" / "d.npy", seen)
    soundfile.write(place / "audio" / "a.wav", recording(20_000), 44_100, subtype="PCM_32")
    columns = "depth path,depth file name,audio path,audio file name,camera path"
    (place / "train.csv").write_text(f"{columns}\n2ndFloor/depth,d.npy,2ndFloor/audio/,a.wav,2ndFloor/camera\n")
    for name in ("val", "test"):
        (place / f"{name}.csv").write_text(columns + "\n")
    recipe = SMALL.with_changes({"data": {"image_size": 32, "max_depth": 30.0}})
    for path in (tmp_path, place, place / "train.csv"):
        pairs = load(path, recipe)
        assert len(pairs) == 1 and pairs.groups.tolist() == ["2ndFloor"] and pairs.part.tolist() == ["train"]
    found = pairs.depth([0])[0]
    assert (
        (found[:, :6] == 0).all() and found[:, 7:].min() > 1.0 and (found == 0).mean() == pytest.approx(0.2, abs=0.02)
    )


def test_batvision_v1(tmp_path):
    v1(tmp_path)
    pairs = load(tmp_path, SMALL)
    assert len(pairs) == 2 and pairs.part.tolist() == ["train"] * 2
    seen = pairs.stored_depth(0)
    assert seen[2:5, 3:9].max() == 0 and seen[9, 9] == 0 and seen[0, 0] == depth()[0, 0] / np.float32(1000)
    (tmp_path / "other").mkdir()
    place = v2(tmp_path / "other", n=3)
    same = load(place, SMALL)
    row = same.names.tolist().index("hall/a1.wav")
    np.testing.assert_allclose(same.sound([row])["spectrogram"], pairs.sound([1])["spectrogram"], atol=1e-4)


def test_prepared_once_and_again_when_a_file_changes(tmp_path, monkeypatch):
    place = v2(tmp_path)
    before = load(tmp_path, SMALL).depth([1])
    with monkeypatch.context() as patch:
        patch.setattr(loader, "read_recording", None)  # whoever calls it fails
        np.testing.assert_array_equal(load(tmp_path, SMALL).depth([1]), before)
    np.save(place / "depth" / "d0.npy", depth((30, 30), seed=9))
    row = load(tmp_path, SMALL).names.tolist().index("hall/a0.wav")
    assert load(tmp_path, SMALL).stored_depth(row).shape == (30, 30)
    assert not np.array_equal(load(tmp_path, SMALL).depth([row]), before)


def test_depth_may_be_missing_without_labels(tmp_path):
    place = v2(tmp_path)
    for name in ("train", "val", "test"):
        table = pd.read_csv(place / f"{name}.csv")[["audio path", "audio file name"]]
        table.to_csv(place / f"{name}.csv", index=False)
    refused(tmp_path, r"test\.csv: no column 'depth path'; found 'audio path', 'audio file name'")
    pairs = load(tmp_path, SMALL, labels=False)
    assert len(pairs) == 3 and pairs.depths is None


def with_wav(change, rate=44_100, **options):
    def write(place):
        soundfile.write(place / "audio" / "a0.wav", change(recording()), rate, **options)

    return write


def with_depth(change):
    def write(place):
        np.save(place / "depth" / "d0.npy", change(depth()))

    return write


def with_nan(values):
    values = values.astype("float32")
    values[4, 7] = np.nan
    return values


def one_pixel(values):
    return values * (np.arange(values.size).reshape(values.shape) == 50)


def one_ear(values):
    values[:, 1] = 0
    return values


ROW = r"hall/train\.csv: row 1: .*hall/"


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda p: (p / "audio" / "a0.wav").unlink(), ROW + r"audio/a0\.wav: no such file"),
        (lambda p: (p / "depth" / "d0.npy").unlink(), ROW + r"depth/d0\.npy: no such file"),
        (lambda p: (p / "audio" / "a0.wav").write_bytes(b"RIFF"), ROW + r"audio/a0\.wav: cannot be read as audio"),
        (lambda p: (p / "depth" / "d0.npy").write_bytes(b"no"), ROW + r"depth/d0\.npy: cannot be read as a NumPy"),
        (
            with_wav(lambda s: s, rate=22_050),
            ROW + r"audio/a0\.wav: 22050 samples a second; expected 44100; .*resample true",
        ),
        (with_wav(lambda s: s[:, :1]), ROW + r"audio/a0\.wav: 1 channel; expected 2.*--data\.resample true"),
        (with_wav(lambda s: np.tile(s, 2)), ROW + r"audio/a0\.wav: 4 channels; expected 2, left and right$"),
        (with_wav(lambda s: np.rint(s * 32768), subtype="FLOAT"), ROW + r".*left ear: the largest.*is it int16 stored"),
        (with_wav(lambda s: np.rint(s * 50), subtype="FLOAT"), ROW + r".*left ear: the largest.*is it int16 stored"),
        (
            with_wav(lambda s: s * 2**31, subtype="DOUBLE"),
            ROW + r".*left ear: the largest.*is it a wider integer stored",
        ),
        (with_depth(lambda d: d / 1000), ROW + r"depth/d0\.npy: the farthest depth is 1\.\d+ mm; are these metres\?"),
        (with_wav(lambda s: s[:-17]), ROW + r"audio/a0\.wav: 501 samples; data\.max_depth needs 518"),
        (
            with_wav(lambda s: np.where(s == s[9, 1], np.nan, s), subtype="FLOAT"),
            r"right ear, sample 9 = nan; expected",
        ),
        (with_depth(with_nan), ROW + r"depth/d0\.npy: depth\[4, 7\] = nan mm; expected a number, 0 or more"),
        (with_depth(lambda d: -d.astype("int32")), ROW + r"depth/d0\.npy: depth\[0, 0\] = -\d+ mm; expected"),
        (with_depth(lambda d: d[0]), ROW + r"depth/d0\.npy: shape \(24,\); expected \(height, width\)"),
        (with_depth(lambda d: d.astype(str)), ROW + r"depth/d0\.npy: expected one array of numbers"),
        (lambda p: (p / "train.csv").write_text("a,b\n1,2\n"), r"hall/train\.csv: no column 'audio path'; found 'a', "),
        (lambda p: (p / "train.csv").write_text(""), r"hall/train\.csv: cannot be read as CSV"),
        (
            lambda p: (p / "train.csv").write_text("depth path,depth file name,audio path,audio file name\nx,y,,z\n"),
            r"hall/train\.csv: row 1: audio path: empty",
        ),
    ],
)
def test_bad_input_is_refused(tmp_path, change, said):
    change(v2(tmp_path))
    refused(tmp_path, said)


def test_bad_folders_are_refused(tmp_path):
    refused(tmp_path / "none", "none: no such file or folder")
    refused(tmp_path, r"no file here ends in \.csv")
    v2(tmp_path, n=2)
    for path in tmp_path.glob("*/*.csv"):
        path.write_text("depth path,depth file name,audio path,audio file name\n")
    refused(tmp_path, "its CSVs name no pair")


@pytest.mark.parametrize("value", [-5.0, np.nan, -np.inf, np.inf])
def test_unknown_depth_of_v1(tmp_path, capsys, value):
    v1(tmp_path)
    seen = np.load(tmp_path / "depth" / "0.npy")
    seen[1, 1] = value
    np.save(tmp_path / "depth" / "0.npy", seen)
    assert load(tmp_path, SMALL).stored_depth(0)[1, 1] == 0
    assert ("depth images with values below 0, which are unknown: 1" in capsys.readouterr().err) == (value == -5.0)


@pytest.mark.parametrize(
    "change, said",
    [
        (with_wav(lambda s: 0 * s), r"audio/a0\.wav: left ear: every sample is 0; nothing was recorded"),
        (with_wav(one_ear), r"audio/a0\.wav: right ear: every sample is 0"),
        (with_depth(lambda d: 0 * d), r"depth/d0\.npy: every depth is 0"),
        (with_depth(one_pixel), r"depth/d0\.npy: too few known depths"),
    ],
)
def test_a_pair_that_says_nothing_is_left_out_and_counted(tmp_path, capsys, change, said):
    change(v2(tmp_path))
    for _ in range(2):  # prepared now, and read from the cache
        pairs = load(tmp_path, SMALL)
        assert sorted(pairs.names) == ["hall/a1.wav", "hall/a2.wav"] and len(pairs.depth([0, 1])) == 2
        assert (
            pairs.depth([0, 1]).any(axis=(1, 2)).all() and pairs.sound([0, 1])["spectrogram"].any(axis=(1, 2, 3)).all()
        )
        told = capsys.readouterr().err
        assert re.search(r"notice: .*: pairs left out: 1 of 3, the first for .*" + ROW[:-5] + said, told)
        assert told.count("\n") == 1
    assert len(load(tmp_path, SMALL, labels=False)) == (2 if "audio" in said else 3)  # depth is not needed there


def test_pairs_of_which_none_says_anything_are_refused(tmp_path):
    place = v2(tmp_path)
    for path in place.glob("depth/*.npy"):
        np.save(path, 0 * depth())
    refused(tmp_path, r"depth/d\d\.npy: every depth is 0; that means unknown; all 3 pairs are silent, constant or")
    soundfile.write(place / "audio" / "a0.wav", 0 * recording(), 44_100)
    refused(place / "audio" / "a0.wav", r"a0\.wav: left ear: every sample is 0; nothing was recorded$", labels=False)


def test_a_recording_a_little_short_is_padded_and_counted(tmp_path, capsys):
    place = v2(tmp_path)
    whole = load(place, SMALL)
    with_wav(lambda s: s[:-1], subtype="PCM_32")(place)
    short = load(place, SMALL)
    assert "recordings up to 16 samples short, padded with zeros: 1\n" in capsys.readouterr().err
    row = whole.names.tolist().index("hall/a0.wav")
    change = np.abs(short.sound([row])["spectrogram"] - whole.sound([row])["spectrogram"]).max(axis=(0, 1, 3))
    assert change[-1] > 0 and (change[: len(change) // 2] < 1e-5).all()


def chirped(rate, channels=2):
    """A sound of 700 to 3000 Hz of every rate; the ears differ."""
    time = np.arange(int(0.02 * rate)) / rate
    sound = np.sin(2 * np.pi * (700 + 57_500 * time) * time) * np.hanning(len(time))
    return np.stack([0.3 * sound, 0.1 * sound], axis=1)[:, :channels]


@pytest.mark.parametrize(
    "rate, channels", [(48_000, 2), (96_000, 2), (22_050, 2), (44_101, 2), (44_100, 1), (48_000, 1)]
)
def test_another_rate_and_mono_are_resampled_when_asked(tmp_path, capsys, rate, channels):
    as_asked = SMALL.with_changes({"data": {"resample": True}})
    for name, sound, at in (("is", chirped(44_100), 44_100), ("was", chirped(rate, channels), rate)):
        (tmp_path / name).mkdir()
        soundfile.write(tmp_path / name / "a.wav", sound, at, subtype="FLOAT")
    refused(tmp_path / "was", r"was/a\.wav: .*; expected .*--data\.resample true", labels=False)
    found, wanted = (
        load(tmp_path / name, as_asked, labels=False).sound([0])["spectrogram"][0] for name in ("was", "is")
    )
    if channels == 1:
        wanted = wanted[..., [0, 0]]
    np.testing.assert_allclose(found, wanted, atol=0.01 * wanted.max())
    told = capsys.readouterr().err
    assert (f"recordings resampled from {rate} to 44100 samples a second: 1" in told) == (rate != 44_100)
    assert ("mono recordings, taken for both ears: 1" in told) == (channels == 1)


def test_rates_that_no_recording_has_are_not_resampled(tmp_path):
    soundfile.write(tmp_path / "a.wav", recording(), 2_000_000_000)
    as_asked = SMALL.with_changes({"data": {"resample": True}})
    refused(tmp_path, "2000000000 samples a second; 8000 to 384000 can be resampled", as_asked, labels=False)


def test_integers_of_v1(tmp_path):
    """int16 is read as a WAV holds it; what a wider type holds cannot be known."""
    v1(tmp_path)
    before = load(tmp_path, SMALL).sound([0])["spectrogram"]
    for name in ("left", "right"):
        ear = np.load(tmp_path / name / "0.npy")
        np.save(tmp_path / name / "0.npy", np.rint(ear * 2**15).astype(np.int16))
    np.testing.assert_allclose(load(tmp_path, SMALL).sound([0])["spectrogram"], before, atol=1e-3)
    np.save(tmp_path / "left" / "0.npy", np.rint(ear * 2**15).astype(np.int64))
    refused(tmp_path, r"left/0\.npy: numbers of type int64; expected floats in parts of full scale, or int16")
    np.save(tmp_path / "left" / "0.npy", ear * 2**15)
    refused(tmp_path, r"left/0\.npy: left ear: the largest sample is .*is it int16 stored as float\? divide by 32768")


@pytest.mark.parametrize("factor, said", [(0.1, "are these centimetres"), (1000.0, "are these 0.1 mm or micrometres")])
def test_depths_of_another_unit_are_asked_about(tmp_path, factor, said):
    """Of a whole set: one image may be near. What is only predicted needs no depth."""
    place, wide = v2(tmp_path), SMALL.with_changes({"data": {"max_depth": 12.0}})
    for k in range(3):
        soundfile.write(place / "audio" / f"a{k}.wav", recording(3112, seed=k), 44_100)
        np.save(place / "depth" / f"d{k}.npy", (depth(seed=k) * 5 * factor).astype("float32"))
    for _ in range(2):
        refused(tmp_path, rf"the (farthest|nearest) depth of all is .* and data\.max_depth 12 m; {said}", wide)
    assert len(load(tmp_path, wide, labels=False)) == 3
    np.save(place / "depth" / "d1.npy", depth() * 5)
    assert len(load(tmp_path, wide)) == 3


def renamed(table, change):
    """Rewrite a CSV's text."""
    table.write_text(change(table.read_text()), newline="")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("/", "\\"),
        lambda text: text.replace("hall/", "/hall/"),
        lambda text: text.replace("hall/", "\\hall\\").replace(",d0", ",\\d0"),
        lambda text: text.replace(",", " , "),
        lambda text: text.replace(",", ";"),
        lambda text: text.replace(",", "\t").replace("\n", "\r\n"),
        lambda text: "\ufeff" + text + "\n\n",
    ],
)
def test_paths_as_other_systems_and_hands_write_them(tmp_path, change):
    place = v2(tmp_path)
    for table in place.glob("*.csv"):
        renamed(table, change)
    pairs = load(tmp_path, SMALL)
    assert sorted(pairs.names) == [f"hall/a{k}.wav" for k in range(3)] and set(pairs.groups) == {"hall"}


def test_paths_of_v1_as_other_systems_write_them(tmp_path):
    v1(tmp_path)
    renamed(tmp_path / "train.csv", lambda text: text.replace("depth/", "\\depth\\").replace("left/", " /left/"))
    assert load(tmp_path, SMALL).stored_depth(0).shape == (20, 24)


def test_a_name_that_has_a_backslash_or_a_blank_is_found_as_it_is(tmp_path):
    place = v2(tmp_path)
    (place / "audio" / "a0.wav").rename(place / "audio" / " a\\0.wav")
    renamed(place / "train.csv", lambda text: text.replace("a0.wav", " a\\0.wav"))
    assert "hall/ a\\0.wav" in load(tmp_path, SMALL).names
    table = pd.DataFrame({"audio path": [str(place / "audio")], "audio file name": ["a1.wav"]})  # wherever it lies
    table.to_csv(place / "train.csv", index=False)
    assert load(place / "train.csv", SMALL, labels=False).names.tolist() == ["hall/a1.wav"]


def dated(folder, days, name="{day}/{part}/{k}.npy"):
    """V1 with a pair a day, in folders called by `name`."""
    v1(folder, n=1)
    rows = []
    for k, day in enumerate(days):
        paths = [name.format(day=day, part=part, k=k) for part in ("depth", "left", "right")]
        for part, path in zip(("depth", "left", "right"), paths, strict=True):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            np.save(folder / path, np.load(folder / part / "0.npy"))
        rows.append(paths)
    columns = ["depth path", "audio path left", "audio path right"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "train.csv", index=False)


@pytest.mark.parametrize(
    "days, name, groups",
    [
        (["2019-11-07", "2019-11-08"], "{day}/{part}/{k}.npy", ["2019-11-07", "2019-11-08"]),
        (["20191107", "20191108"], "{part}/{day}/{k}.npy", ["20191107", "20191108"]),
        (["20191107_153000", "20191107-1612"], "audio/{day}/{part}/{k}.npy", ["20191107"]),
        (["2019/11/07", "2019/11/08"], "{day}/{part}/{k}.npy", ["2019-11-07", "2019-11-08"]),
        (["07.11.2019", "run 8_11_2019"], "{day}/{part}/{k}.npy", ["07.11.2019", "8_11_2019"]),
        (["kitchen", "hall"], "{day}/{part}/{k}.npy", ["hall", "kitchen"]),
        (["kitchen", "hall"], "{part}/{day}/{k}.npy", ["hall", "kitchen"]),
        (["123456789", "20191399"], "{part}/{day}/{k}.npy", ["123456789", "20191399"]),
        (["", ""], "{part}/{k}.npy", ["V1"]),
    ],
)
def test_v1_is_grouped_by_the_day_or_the_folder(tmp_path, days, name, groups):
    dated(tmp_path / "V1", days, name)
    assert sorted(set(load(tmp_path / "V1", SMALL).groups)) == groups


def test_too_few_groups_name_the_other_way_to_split(tmp_path):
    dated(tmp_path / "V1", ["2019-11-07"] * 4)
    pairs = load(tmp_path / "V1", SMALL)
    said = r"V1: 4 examples of 1 group are too few to split by room; .*; another way: --data\.split_by files$"
    with pytest.raises(UserError, match=said):
        user_data.split(SMALL, pairs, tmp_path / "V1")
    by_files = SMALL.with_changes({"data": {"split_by": "files"}})
    with pytest.raises(UserError, match=r"nothing is left for validation; another way: --data\.split_by room$"):
        user_data.split(by_files, pairs, tmp_path / "V1")


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"absorption": [0.5, 0.1]}, "absorption"),
        ({"scattering": [0.5, 1.1]}, "scattering"),
        ({"furniture": [3, 1]}, "furniture"),
        ({"noise": [30.0, 15.0]}, "noise"),
        ({"view": [86.0, 180.0]}, "view"),
        ({"corridor_width": [0.5, 2.0]}, "corridor_width"),
        ({"head_height": [0.8, 2.3]}, "head_height"),
        ({"chirp": [20.0, 30_000.0]}, "chirp"),
        ({"split": [0.9, 0.1, 0.0]}, "split"),
        ({"room_side": [12.0, 3.0]}, "room_side"),
    ],
)
def test_recipes_that_make_no_sense(changes, said):
    with pytest.raises(ValueError, match=said):
        EchoRecipe().with_changes({"data": changes})
