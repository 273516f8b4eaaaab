"""Scores of ensembles: a calibrated one passes, biased ones fail, hand-worked values agree."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.small_days import RECIPE_SMALL, written

from kmodels.core.spec.task import Scores
from kmodels.precip.data.load import load
from kmodels.precip.data.records import Days, Domain
from kmodels.precip.data.statistics import nominal
from kmodels.precip.evaluation import diagnostics, metrics, spectrum
from kmodels.precip.evaluation.baselines.methods import RainFarm, bilinear
from kmodels.precip.evaluation.daily_statistics import daily_statistics, histogram_of, squares
from kmodels.precip.evaluation.prediction import Ensemble
from kmodels.precip.gates import GATES
from kmodels.precip.simulator.weather import block_mean

KNOWN = replace(nominal((4, 4), ("pr",)), p95=12.0, p99=20.0, heavy=3.0)
CALIBRATION = {"distance_ratio", "spread_skill", "p99_bias", "p999_bias", "wet_difference", "mass_bias", "ralsd"}


def days_of(rain) -> Days:
    """Days with this rain (n, y, x) and nothing else, all of it over land."""
    n, shape = len(rain), rain.shape[1:]
    everywhere = np.ones(shape, bool)
    domain = Domain(None, None, everywhere, np.zeros(shape), everywhere)
    states = np.zeros((n, 1, 1, 1), "float32")
    mean = rain.mean((1, 2))
    return Days(domain, ("x",), np.arange(n), np.arange(n) // 5, states, lambda d: rain[d], np.arange(n), mean)


def score(rain, fields):
    """All scores of fields (n, members, y, x) for rain (n, y, x)."""
    ensemble = Ensemble(days_of(np.asarray(rain)), np.shape(fields)[1], lambda rows: np.asarray(fields)[rows])
    daily = daily_statistics(ensemble, KNOWN)
    return metrics.combine(daily), daily


def failed(values) -> set:
    return {gate.metric for gate in GATES if gate.judge(values)["status"] == "failed"}


@pytest.fixture(scope="module")
def showers():
    """(fields (n, 1 + members, y, x)) of one law a day: any of them could be the truth."""
    rng = np.random.default_rng(0)
    day = rng.gamma(1.0, 1.0, (150, 1, 1, 1))
    return (day * np.maximum(rng.gamma(0.5, 8.0, (150, 21, 16, 12)) - 1.5, 0)).astype("float32")


@pytest.fixture(scope="module")
def rainy_days(tmp_path_factory):
    """Twelve simulated days."""
    return load(written(tmp_path_factory.mktemp("days")), RECIPE_SMALL)


def test_the_truth_is_one_of_the_members(showers):
    values, daily = score(showers[:, 0], showers[:, 1:])
    assert not failed(values) & CALIBRATION, values
    assert values["spread_skill"] == pytest.approx(1.0, abs=0.03) and values["rank_deviation"] < 0.05
    np.testing.assert_allclose(daily.ranks.sum(1), 1.0)


@pytest.mark.parametrize(
    "spoil, metric",
    [
        (lambda x: 1.2 * x, "mass_bias"),
        (lambda x: 1.2 * x, "p99_bias"),
        (lambda x: x.mean(1, keepdims=True) + 0.5 * (x - x.mean(1, keepdims=True)), "spread_skill"),
        (lambda x: x.mean(1, keepdims=True) + 0.8 * (x - x.mean(1, keepdims=True)), "distance_ratio"),
        (lambda x: np.where(x < 1, 0, x), "wet_difference"),
        (lambda x: 0.8 * x, "ralsd"),
    ],
)
def test_a_spoilt_ensemble_fails(showers, spoil, metric):
    values, _ = score(showers[:, 0], spoil(showers[:, 1:]))
    assert metric in failed(values)


def test_by_hand():
    """Two members, 10 and 30, for a truth of 14 everywhere on one day; 0 and 0 for 0 on another."""
    rain = np.stack([np.full((4, 4), 14.0), np.zeros((4, 4))])
    fields = np.stack([np.stack([np.full((4, 4), 10.0), np.full((4, 4), 30.0)]), np.zeros((2, 4, 4))])
    values, daily = score(rain, fields)
    fair = (4 + 16) / 2 - 20 / 2
    assert daily.each["crps"] == pytest.approx([fair, 0.0])
    above = (abs(12 - 14) + abs(30 - 14)) / 2 - 18 / 2  # what lies below 12 counts as 12
    assert values["crps"] == pytest.approx(fair / 2)
    assert values["twcrps_p95"] == pytest.approx(above / 2)
    assert values["spread_skill"] == pytest.approx(np.sqrt(1.5 * 200 / 2) / np.sqrt(36 / 2))
    assert values["mass_bias"] == pytest.approx(20 / 14 - 1)
    np.testing.assert_allclose(daily.ranks, [[0, 1, 0], [1 / 3, 1 / 3, 1 / 3]])
    assert values["max_ratio"] == pytest.approx(20 / 14) and values["diversity"] == pytest.approx(0.0, abs=1e-9)
    assert values["distance_ratio"] == pytest.approx(20 / 10), "the members lie 20 apart, and 10 off on average"
    assert values["crps_mean_4"] == values["crps_max_16"] == pytest.approx(fair / 2), "one square, the same everywhere"
    assert values["csi_p95"] == 1.0, "half of the members say 12 or more, and so it is"
    assert np.isnan(values["csi_p99"]) or values["csi_p99"] == 0.0, "half of them say 20, and it is not"


def test_diversity_of_fields_without_a_common_cell():
    fields = np.zeros((1, 2, 2, 2))
    fields[0, 0, 0, 0] = fields[0, 1, 1, 1] = 50.0
    values, _ = score(np.full((1, 2, 2), 10.0), fields)
    assert values["diversity"] == pytest.approx(1.0)


def test_twice_the_rain_is_six_decibels(showers):
    values, _ = score(showers[:, 0], np.repeat(2 * showers[:, :1], 2, axis=1))
    assert values["ralsd"] == pytest.approx(10 * np.log10(4), abs=1e-3)
    assert values["p99_ratio"] == pytest.approx(2.0, rel=0.01)
    assert values["return_level_ratio"] == pytest.approx(2.0, rel=0.01)


def test_quantiles_of_a_histogram(showers):
    amounts = showers[:, 0]
    histogram = histogram_of(amounts.reshape(1, 1, -1))[0]
    for level in (0.9, 0.99, 0.999):
        assert metrics.quantile(histogram, level) == pytest.approx(np.quantile(amounts, level), rel=0.01)


def test_intervals_hold_the_value(showers):
    found = metrics.scores(score(showers[:, 0], showers[:, 1:])[1], 0, 50)
    low, high = found.intervals["crps"]
    assert low < found.values["crps"] < high


def test_power_of_a_wave_and_the_slope_of_a_law():
    wave = np.cos(2 * np.pi * 4 * np.arange(32) / 32) * np.ones((32, 1))
    power = spectrum.radial_power(wave)
    assert np.argmax(power) + 1 == 4 and spectrum.wavenumbers((32, 32))[3] == pytest.approx(4 / 32)
    k = spectrum.wavenumbers((32, 32))
    assert spectrum.slope(k**-2.5, (32, 32)) == pytest.approx(2.5)


def test_rainfarm_keeps_the_coarse_rain_and_its_spectrum():
    grid = RECIPE_SMALL.with_changes({"data": {"grid": {"ny": 32, "nx": 32, "block": 4}}}).data.grid
    coarse = np.random.default_rng(0).gamma(1, 20, (8, 8)) + 5
    sampled = RainFarm(grid, 2.0).sample(np.random.default_rng(1), coarse, 3)
    kept = sampled.reshape(3, 8, 4, 8, 4).mean((2, 4))
    np.testing.assert_allclose(kept, np.broadcast_to(coarse, kept.shape), rtol=1e-2)
    assert (sampled[0] != sampled[1]).mean() > 0.9
    g = RainFarm(grid, 2.0)
    white = np.fft.rfft2(np.random.default_rng(2).standard_normal((200, 32, 32)))
    fields = np.fft.irfft2(white * g.amplitude, s=(32, 32))
    assert spectrum.slope(spectrum.radial_power(fields).mean(0), (32, 32)) == pytest.approx(2.0, abs=0.1)


def test_bilinear_is_exact_on_a_slope():
    y, x = np.mgrid[:4, :5]
    fine = bilinear((2.0 * y + x)[None].astype("float32"), (8, 10))[0]
    yy, xx = (np.arange(8) + 0.5) / 2 - 0.5, (np.arange(10) + 0.5) / 2 - 0.5
    expected = 2 * yy.clip(0, 3)[:, None] + xx.clip(0, 4)
    np.testing.assert_allclose(fine, expected, atol=1e-5)


def test_ratios_to_the_baselines():
    """The CRPS as a share of theirs; none where a baseline is missing. All other scores stay."""
    model, baselines = (
        Scores({"crps": 0.6, "p99_ratio": 1.1}, {"crps": (0.5, 0.7)}),
        {"rainfarm": Scores({"crps": 0.8})},
    )
    found = metrics.compare_with_baselines(model, baselines)
    assert found.values["crps_ratio_rainfarm"] == pytest.approx(0.75) and found.values["p99_ratio"] == 1.1
    assert found.values["crps_ratio_exact_posterior"] is None and found.intervals == model.intervals


def test_distances_of_members_and_truth(showers):
    """Equal where the truth could be a member; of copies of one field, members have none between each other."""
    _, daily = score(showers[:, 0], showers[:, 1:])
    found = diagnostics.distances(daily)
    x = showers[:, 1:].astype("float64")
    between = np.mean([np.abs(x[:, i] - x[:, j]).mean() for i in range(20) for j in range(20) if i != j])
    assert found["truth_distance"] == pytest.approx(np.abs(x - showers[:, :1]).mean())
    assert found["member_distance"] == pytest.approx(between)
    assert found["member_distance"] == pytest.approx(found["truth_distance"], rel=0.03)
    _, daily = score(showers[:, 0], showers[:, [1, 1, 1]])
    assert diagnostics.distances(daily)["member_distance"] == pytest.approx(0, abs=1e-6)
    _, daily = score(showers[:, 0], showers[:, 1:2])
    assert np.isnan(diagnostics.distances(daily)["member_distance"]), "of one member"


def test_squares_of_cells():
    """5 x 4 cells in squares of 2: the last row is left out; a square with a cell that nobody observes, too."""
    field = np.arange(20.0).reshape(1, 1, 5, 4)
    np.testing.assert_array_equal(squares(field, 2, "mean"), [[[[2.5, 4.5], [10.5, 12.5]]]])
    np.testing.assert_array_equal(squares(field, 2, "max"), [[[[5, 7], [13, 15]]]])


def test_rainfarm_with_mapped_amounts(rainy_days):
    """Its fields keep the coarse rain, and their amounts are nearer to the training's than before."""
    plain = RainFarm.fit(rainy_days, RECIPE_SMALL.data.grid)
    coarse = rainy_days.state(np.arange(12))[..., 0]
    found = {}
    for name, method in (("plain", plain), ("mapped", plain.mapped(rainy_days))):
        fields = np.stack([method.sample(np.random.default_rng(0), one, 50) for one in coarse])
        np.testing.assert_allclose(block_mean(fields, 2), coarse[:, None].repeat(50, 1), atol=0.1, rtol=1e-4)
        found[name] = abs((fields > 0).mean() - (rainy_days.rain(np.arange(12)) >= 0.1).mean())
    assert found["mapped"] < 0.5 * found["plain"]
