"""Files: what the simulator writes, what the loader reads, and what it refuses, by CSV and row."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile

from kmodels.core.spec.errors import UserError
from kmodels.echo.data import batvision
from kmodels.echo.data import load as loader
from kmodels.echo.data.load import load
from kmodels.echo.data.split import split
from kmodels.echo.recipe import EchoRecipe
from kmodels.echo.simulator.recordings import simulate

RECIPE = EchoRecipe().with_changes(
    {"data": {"n_rooms": 7, "pairs_per_room": 2, "image_size": 16, "max_depth": 6.0, "furniture": [0, 3]}}
)
SMALL = EchoRecipe().with_changes({"data": {"image_size": 16, "max_depth": 2.0}})
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
    assert pairs.spectrogram([0, 3]).shape == (2, 16, 48, 2) and pairs.depth([0, 3]).shape == (2, 16, 16)
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
    recipe = EchoRecipe().with_changes({"data": {"image_size": 32, "max_depth": 30.0}})
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
    np.testing.assert_allclose(same.spectrogram([row]), pairs.spectrogram([1]), atol=1e-4)


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
        (with_wav(lambda s: s, rate=22_050), ROW + r"audio/a0\.wav: 22050 samples a second; expected 44100"),
        (with_wav(lambda s: s[:, :1]), ROW + r"audio/a0\.wav: 1 channels; expected 2"),
        (with_wav(lambda s: s[:-1]), ROW + r"audio/a0\.wav: 517 samples; data\.max_depth needs 518"),
        (with_wav(lambda s: 0 * s), ROW + r"audio/a0\.wav: left ear: every sample is 0; nothing was recorded"),
        (with_wav(one_ear), ROW + r"audio/a0\.wav: right ear: every sample is 0"),
        (
            with_wav(lambda s: np.where(s == s[9, 1], np.nan, s), subtype="FLOAT"),
            r"right ear, sample 9 = nan; expected",
        ),
        (with_depth(lambda d: 0 * d), ROW + r"depth/d0\.npy: every depth is 0"),
        (with_depth(with_nan), ROW + r"depth/d0\.npy: depth\[4, 7\] = nan mm; expected a number, 0 or more"),
        (with_depth(lambda d: -d.astype("int32")), ROW + r"depth/d0\.npy: depth\[0, 0\] = -\d+ mm; expected"),
        (with_depth(lambda d: d[0]), ROW + r"depth/d0\.npy: shape \(24,\); expected \(height, width\)"),
        (with_depth(lambda d: d.astype(str)), ROW + r"depth/d0\.npy: expected one array of numbers"),
        (
            with_depth(one_pixel),
            ROW + r"depth/d0\.npy: too few known depths",
        ),
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


@pytest.mark.parametrize("value, said", [(-5.0, r"\[1, 1\] = -5 mm"), (np.nan, None), (-np.inf, None)])
def test_depth_of_v1(tmp_path, value, said):
    v1(tmp_path)
    seen = np.load(tmp_path / "depth" / "0.npy")
    seen[1, 1] = value
    np.save(tmp_path / "depth" / "0.npy", seen)
    if said:
        refused(tmp_path, said)
    else:
        assert load(tmp_path, SMALL).stored_depth(0)[1, 1] == 0


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
