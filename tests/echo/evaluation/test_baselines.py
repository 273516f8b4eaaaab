"""Baselines that need no network find what they can: the same sound, a linear law, an echo's distance."""

from pathlib import Path

import numpy as np
import pytest

from kmodels.echo.data import range_azimuth
from kmodels.echo.data.batvision import Pair
from kmodels.echo.data.records import EchoPairs
from kmodels.echo.evaluation import baselines, metrics
from kmodels.echo.evaluation.metrics import compare_with_baselines
from kmodels.echo.recipe import EchoRecipe

SIZE, RANGES = 16, 32
RECIPE = EchoRecipe()


def walls(distance: np.ndarray, level: float = 0.0) -> EchoPairs:
    """Pairs (n,) of a wall straight ahead: its echo at its range, from all directions alike."""
    n, metres = len(distance), range_azimuth.metres(RANGES)
    profile = np.full((n, RANGES, range_azimuth.PROFILES), -6.0, "float32")
    rows = np.abs(metres - distance[:, None]).argmin(1)
    profile[np.arange(n), rows] = level - 3 * np.log10(distance)[:, None]
    correlation = np.full((n, RANGES, range_azimuth.DIRECTIONS, 3), 127, "int8")
    depth = np.broadcast_to(distance[:, None, None], (n, SIZE, SIZE)).astype("float32")
    sources = tuple(Pair(Path("x"), k, "", f"room{k:03d}", (Path("a.wav"),), None) for k in range(n))
    return EchoPairs(sources, np.arange(n), {"profile": profile, "correlation": correlation}, depth, SIZE, 12.0)


@pytest.fixture(scope="module")
def rooms():
    rng = np.random.default_rng(0)
    return {name: walls(rng.uniform(0.6, 1.8, n)) for name, n in (("train", 200), ("validation", 20), ("test", 30))}


def test_each_learns_what_it_can(rooms):
    test = rooms["test"]
    sounds = baselines.Sounds(rooms["train"])
    for make, choices in (
        (baselines.nearest_rooms(rooms["train"], sounds), baselines.NEIGHBOURS),
        (baselines.linear(rooms["train"], sounds), baselines.PENALTIES),
        (baselines.first_echo(RECIPE), baselines.SHARES),
    ):
        found = baselines._best(rooms["validation"], make, choices)(test)
        assert len(found) == 30
        middle = found[np.arange(30)][:, SIZE // 2, SIZE // 2]
        error = np.abs(middle / test.depth(np.arange(30))[:, 0, 0] - 1)
        assert error.mean() < 0.1, make


def test_a_wall_that_is_seen_aslant_is_nearer_along_the_axis(rooms):
    """An echo at range r from a direction q to the right lies r sqrt(1 - q^2) ahead."""
    depth = baselines.first_echo(RECIPE)(rooms["test"], 0.1)
    assert depth[0, 0, 0] / depth[0, 0, SIZE // 2] == pytest.approx(np.cos(np.radians(43)), abs=0.03)


def test_the_other_setting_is_scored_by_each(rooms, monkeypatch):
    """The ratio of both RMSE is what the model's is compared with; these rooms are on no disk, so no protocols."""
    monkeypatch.setattr(metrics, "scores_per_protocol", lambda pairs, depth: {})
    found = baselines.baselines(RECIPE, rooms | {"transfer": walls(np.linspace(0.9, 2.4, 15))})
    assert set(found) == {"mean_map", "nearest_rooms", "linear", "first_echo"}
    for one in found.values():
        ratio = compare_with_baselines(one, found).values["rmse_ratio_transfer"]
        assert ratio == pytest.approx(one.values["transfer_rmse"] / one.values["rmse"])
    assert found["mean_map"].values["transfer_rmse"] > 1.2 * found["mean_map"].values["rmse"]
    alone = baselines.baselines(RECIPE, rooms)
    assert compare_with_baselines(alone["linear"], alone).values["rmse_ratio_transfer"] is None


def test_without_training_rooms_there_are_none(rooms):
    assert baselines.baselines(RECIPE, {"test": rooms["test"]}) == {}
