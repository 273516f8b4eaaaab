"""Scores of depth images: perfect passes, biased fails, hand-worked values agree."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from kmodels.core.spec.errors import UserError
from kmodels.echo.data import statistics
from kmodels.echo.data.batvision import Pair
from kmodels.echo.data.load import load
from kmodels.echo.data.records import EchoPairs
from kmodels.echo.evaluation import diagnostics
from kmodels.echo.evaluation import metrics as scoring
from kmodels.echo.evaluation.baselines import baselines
from kmodels.echo.evaluation.metrics import NAMES, PROTOCOLS, average_scores, image_scores
from kmodels.echo.evaluation.prediction import DepthImages
from kmodels.echo.evaluation.shuffled_audio import other_rooms, shuffled_audio_gap
from kmodels.echo.gates import GATES
from kmodels.echo.recipe import SPECTROGRAM, EchoRecipe

SIZE = 24


def pairs(folder: Path, rooms=4, each=3, seed=0) -> EchoPairs:
    """Pairs with depths of 1 to 8 m on disk, some of them unknown, and silent spectrograms."""
    rng = np.random.default_rng(seed)
    millimetres = rng.integers(1000, 8000, (rooms * each, SIZE, SIZE)).astype(np.uint16)
    millimetres[:, :4] = 0
    sources = []
    for k, depth in enumerate(millimetres):
        np.save(folder / f"{k}.npy", depth)
        room = f"room{k // each}"
        sources.append(Pair(folder / "train.csv", k + 1, "train", room, (folder / f"a{k}.wav",), folder / f"{k}.npy"))
    depths = (millimetres / 1000).astype("float32")
    spectrograms = np.zeros((*depths.shape, 2), "float32")
    return EchoPairs(
        tuple(sources), np.arange(len(sources)), {"spectrogram": spectrograms}, depths, depths.shape[1], 12.0
    )


@pytest.fixture(scope="module")
def some(tmp_path_factory):
    return pairs(tmp_path_factory.mktemp("pairs"))


def prediction(of: EchoPairs, factor=1.0) -> DepthImages:
    depth = factor * np.where(of.depths > 0, of.depths, 5.0)[of.index]
    return DepthImages(of, depth.astype("float32"), 0.9 * depth, 0.1 * depth)


def scores(of: EchoPairs, images: DepthImages, train=True) -> dict:
    """Metrics with their ratio to the mean map of the same pairs, or of none."""
    splits = dict.fromkeys(("train", "validation", "test") if train else ("test",), of)
    free = baselines(EchoRecipe().with_changes(SPECTROGRAM), splits)
    return scoring.compare_with_baselines(scoring.metrics(splits, images, 0), free).values


def failed(values) -> set:
    rows = [gate.judge(values) for gate in GATES if values.get(gate.metric) is not None]
    return {row["metric"] for row in rows if row["status"] == "failed"}


def test_perfect(some):
    found = scores(some, prediction(some))
    perfect = {"rmse": 0, "mae": 0, "abs_rel": 0, "log10": 0, "delta1": 1, "delta2": 1, "delta3": 1}
    for name, value in perfect.items():
        assert found[name] == pytest.approx(value, abs=1e-6), name
        assert found[f"{name}_echogeom"] == pytest.approx(value, abs=1e-6), name
    assert found["rmse_ratio_mean_map"] == pytest.approx(0, abs=1e-6)
    assert failed(found) <= {"residual_share"}, "its residual is a tenth of the depth, more than the bound allows"


def test_a_third_too_far(some):
    """p = 4/3 t: every ratio is 4/3, beyond 1.25 and below 1.25 squared."""
    found = scores(some, prediction(some, 4 / 3), train=False)
    assert found["abs_rel"] == pytest.approx(1 / 3, rel=1e-5) and found["log10"] == pytest.approx(np.log10(4 / 3))
    assert (found["delta1"], found["delta2"], found["delta3"]) == (0, 1, 1)
    assert "delta1" in failed(found) and found["rmse_ratio_mean_map"] is None


def test_by_hand_each_image_counts_the_same():
    """Image 1: t = 2, 4 and p = 3, 4; RMSE sqrt(1/2). Image 2: one pixel known, t = 1, p = 3; RMSE 2."""
    truth = np.array([[[2.0, 4.0]], [[1.0, 0.0]]])
    found = image_scores(truth, np.array([[[3.0, 4.0]], [[3.0, 7.0]]]), truth > 0)
    expected = [[0.5**0.5, 0.5, 0.25, np.log10(1.5) / 2, 0.5, 1, 1], [2, 2, 2, np.log10(3), 0, 0, 0]]
    np.testing.assert_allclose(found, expected)
    assert average_scores(found, np.array(["a", "b"]), 0).values["rmse"] == pytest.approx((0.5**0.5 + 2) / 2)


def test_not_a_number_fails_and_an_unknown_image_counts_nothing(some):
    truth = np.array([[[2.0, 4.0]], [[0.0, 0.0]]])
    depth = np.array([[[2.0, 4.0]], [[1.0, 1.0]]])
    groups = np.array(["a", "b"])
    assert average_scores(image_scores(truth, depth, truth > 0), groups, 0).values["rmse"] == 0.0
    depth[0, 0, 0] = np.nan
    broken = average_scores(image_scores(truth, depth, truth > 0), groups, 0).values
    assert broken["rmse"] == np.inf and broken["delta3"] == 0.5
    whole = prediction(some)
    whole.depth[:] = np.nan
    found = scores(some, whole)
    assert failed(found) >= {"rmse_ratio_mean_map", "delta1"}
    assert average_scores(image_scores(truth, depth, truth > 9), groups, 0).values == dict.fromkeys(NAMES)


def test_protocols():
    """What each counts as known, at which size; nearest takes what is there, bilinear mixes."""
    depth = np.array([[0.05, 0.3, 0.5, 3.0]] * 2)
    assert {name: p.known(depth)[0].tolist() for name, p in PROTOCOLS.items()} == {
        "batvision": [True] * 4,
        "echogeom": [False, True, True, True],
        "htf": [False, False, True, True],
    }
    assert {name: p.resized(depth).shape for name, p in PROTOCOLS.items()} == {
        "batvision": (256, 256),
        "echogeom": (128, 128),
        "htf": (256, 256),
    }
    assert set(np.unique(PROTOCOLS["echogeom"].resized(depth))) == set(depth[0])
    assert len(np.unique(PROTOCOLS["batvision"].resized(depth))) > 100


def test_the_mean_map_leaves_unknown_pixels_out(some):
    found = statistics.mean_map(some, 2)
    known = some.depths[:, 7, 7]
    assert found.shape == (2, SIZE, SIZE) and found[1, 7, 7] == pytest.approx(known.mean(), rel=1e-5)
    everything = some.depths[some.depths > 0].mean()
    assert found[0, 0, 0] == pytest.approx(everything, rel=1e-5), "known nowhere: the mean of all"


def test_detail_is_high_spatial_frequency():
    x = np.arange(64) / 64
    slow, fast = (np.broadcast_to(np.sin(2 * np.pi * n * x), (1, 64, 64)) for n in (2, 20))
    assert scoring.detail_share(slow)[0] < 0.01 and scoring.detail_share(fast)[0] > 0.99
    assert 0.4 < scoring.detail_share(slow + fast)[0] < 0.6 and scoring.detail_share(np.ones((1, 64, 64)))[0] == 0.0


def test_shuffled_audio_comes_from_other_rooms(some):
    found = other_rooms(some.groups)
    assert len(found) > 3
    for rows in found:
        assert sorted(rows) == list(range(12)) and (some.groups[rows] != some.groups).all()


def gap(deep, off=0.0) -> float:
    """The gap of a perfect model in 63 rooms, each with a flat wall so deep [m]. off: by how
    much the mean map is wrong [m]."""
    depths = np.broadcast_to(deep[:, None, None], (63, 4, 4)).astype("float32")
    sources = tuple(Pair(Path("x"), k, "", f"room{k:02d}", (Path("a.wav"),), None) for k in range(63))
    rooms = EchoPairs(sources, np.arange(63), {}, depths, 4, 12.0)
    free = statistics.mean_map(rooms, 63) + np.float32(off)
    return shuffled_audio_gap(rooms, depths, other_rooms(rooms.groups), free)


def test_shuffled_audio_gap():
    """Nothing, where rooms differ; all, where every seventh is the same under another name; much, where even the mean
    of other rooms is better than the mean map."""
    deep = np.random.default_rng(0).uniform(2, 6, 63)
    assert gap(deep) < 0.02
    assert gap(deep[np.arange(63) % 7]) == pytest.approx(1.0, abs=1e-3)
    assert gap(deep, off=2.0) > 0.2


def test_hints_say_what_to_try():
    good = {"val_sparse": 0.35, "val_rmse": 2.0, "val_base_difference": 0.3, "val_base_detail": 0.0}
    good |= {"val_depth_detail": 0.1}
    history = [good | {"epoch": k + 1} for k in range(20)]
    assert diagnostics.hints(history, EchoRecipe()) == []
    for change, said in (
        ({"val_sparse": 0.05}, "lower train.lambda_sparse"),
        ({"val_sparse": 0.7}, "the prototype had 0.3 to 0.4 m"),
        ({"val_rmse": 3.0}, "longer warm-up"),
        ({"val_base_difference": 2.0}, "raise train.lambda_base from 1 to 1.5, the prototype's remedy"),
        ({"val_base_detail": 0.09}, "widen train.lowpass"),
    ):
        (line,) = diagnostics.hints([row | change for row in history], EchoRecipe())
        assert said in line


def test_the_remedy_for_a_weak_base_is_the_curriculums_own_and_no_weight_that_was_tried():
    row = {"epoch": 1, "val_sparse": 0.35, "val_base_difference": 2.0, "val_base_detail": 0.0, "val_depth_detail": 0.1}
    for train, said in (
        ({"curriculum": "none", "lambda_base": 1.5}, "from 1.5 to 2.25"),
        ({"curriculum": "adaptive", "lambda_base": 2.0}, "from 2 to 2.5, the prototype's remedy"),
        ({"curriculum": "adaptive", "lambda_base": 2.5}, "from 2.5 to 3.75"),
    ):
        (line,) = diagnostics.hints([row], EchoRecipe().with_changes({"train": train}))
        assert line.endswith(f"raise train.lambda_base {said}")


def test_depth_images_are_written_in_millimetres_with_pictures_and_a_table(some, tmp_path):
    found = prediction(some)
    found.write(tmp_path / "out")
    stored = np.load(tmp_path / "out" / "room1" / "a4.npy")
    assert stored.dtype == np.uint16 and stored[7, 7] == np.rint(1000 * found.depth[4, 7, 7])
    assert (tmp_path / "out" / "room1" / "a4.png").read_bytes().startswith(b"\x89PNG")
    table = pd.read_csv(tmp_path / "out" / "summary.csv")
    assert table["recording"][4] == "room1/a4.wav" and len(table) == 12
    assert table["mean"][4] == pytest.approx(found.depth[4].mean(), abs=1e-5)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        found.write(tmp_path / "file")


def test_a_recording_alone_can_be_predicted_but_not_evaluated(tmp_path, monkeypatch):
    monkeypatch.setenv("KMODELS_CACHE", str(tmp_path / "cache"))
    recipe = EchoRecipe().with_changes({"data": {"image_size": 16, "max_depth": 2.0}})
    (tmp_path / "mine").mkdir()
    for name in "ab":
        recording = np.random.default_rng(0).uniform(-0.1, 0.1, (600, 2))
        soundfile.write(tmp_path / "mine" / f"{name}.wav", recording, 44_100)
    for path, names in (
        (tmp_path / "mine" / "a.wav", ["mine/a.wav"]),
        (tmp_path / "mine", ["mine/a.wav", "mine/b.wav"]),
    ):
        found = load(path, recipe, labels=False)
        assert found.names.tolist() == names and found.depths is None
        with pytest.raises(UserError, match="without depth"):
            load(path, recipe)
    with pytest.raises(UserError, match="no such file"):
        load(tmp_path / "none.wav", recipe, labels=False)


def test_error_by_distance():
    truth = np.array([[[0.0, 1.5, 2.0], [3.0, 5.0, 9.0]]])
    depth = np.array([[[7.0, 1.0, 3.0], [3.0, 6.0, 5.0]]])
    found = diagnostics.error_by_distance(truth, depth)
    assert found == {"1_to_2_m": 0.75, "2_to_4_m": 0.0, "4_to_8_m": 1.0, "above_8_m": 4.0}, (
        "unknown pixels are left out"
    )
