"""Metrics, baselines, wavelengths that are asked for, what is written, and the search for a router."""

import h5py
import numpy as np
import pandas as pd
import pytest
from helpers.metasurface import SCALAR
from keras import ops

from kmodels.metasurface.data import encode
from kmodels.metasurface.data.load import load
from kmodels.metasurface.data.records import Structures, pack
from kmodels.metasurface.data.symmetry import move_patterns, move_spectra
from kmodels.metasurface.evaluation import baselines, metrics, router
from kmodels.metasurface.evaluation.prediction import Spectra
from kmodels.metasurface.simulator.rcwa import RcwaSolver
from kmodels.metasurface.simulator.scalar import ScalarSolver
from kmodels.metasurface.studies import search

RNG = np.random.default_rng(0)
RECIPE_32 = SCALAR.with_changes({"data": {"pixels": 32, "n_wavelengths": 61}})
BAND = RECIPE_32.data.wavelength
WAVELENGTH = RECIPE_32.data.wavelengths()


def structures(n, spectra=None, wavelength=WAVELENGTH, patterns=None):
    patterns = RNG.integers(0, 2, (n, 32, 32)).astype("uint8") if patterns is None else patterns
    names = np.array([f"s:{k}" for k in range(n)])
    return Structures(pack(patterns), spectra, wavelength, "RGGB", names, np.arange(n))


def peaked(centre, n=6):
    """(n, 2, 2, w): one peak, 20 nm wide, 0.4 high, on 0.1; the structures differ a little in height."""
    bump = 0.4 * np.exp(-0.5 * ((WAVELENGTH - centre) / 20) ** 2)
    return (0.1 + bump * np.linspace(0.9, 1.1, n)[:, None, None, None] * np.ones((n, 2, 2, 1))).astype("float32")


def scored(truth, guess):
    records = structures(len(truth), truth)
    return metrics.metrics({"test": records, "train": records}, Spectra(records, guess, None, BAND), 0).values


def test_a_perfect_prediction_and_the_mean_spectrum():
    truth = RNG.uniform(0.1, 0.4, (6, 2, 2, 61)).astype("float32")
    perfect = scored(truth, truth)
    assert perfect["mae"] == perfect["prototype_loss"] == perfect["transmission_error"] == 0 and perfect["r2"] == 1
    mean = np.broadcast_to(truth.mean((0, 1, 2)), truth.shape)
    assert scored(truth, mean)["r2"] == pytest.approx(0.0, abs=1e-6)
    assert scored(truth, truth + 0.1)["mae"] == pytest.approx(0.1, rel=1e-5)
    assert scored(truth, truth + 0.1)["transmission_error"] == pytest.approx(0.4, rel=1e-5)
    assert scored(truth, truth + 0.1)["r2"] < 0


def test_without_training_structures_r2_is_relative_to_the_mean_spectrum_of_the_test():
    truth = RNG.uniform(0, 0.4, (5, 2, 2, 61)).astype("float32")
    records = structures(5, truth)
    mean = np.broadcast_to(truth.mean((0, 1, 2)), truth.shape)
    for predicted, r2 in ((truth, 1.0), (mean, 0.0), (2 * mean - truth, -3.0)):
        found = metrics.metrics({"test": records}, Spectra(records, predicted.astype("float32"), None, BAND), 0)
        assert found.values["r2"] == pytest.approx(r2, abs=1e-5)


def test_prototype_loss_by_hand():
    truth = np.full((1, 2, 2, 3), 0.5)
    found = metrics.prototype_loss(truth, truth + np.array([0.0, 0.1, 0.0]), np.array([500.0, 501.0, 502.0]))
    assert found[0] == pytest.approx(2 * 0.01 / 3 + 0.1 * (0.1 / 0.5001) ** 2 / 3 + 100 * 0.01, rel=1e-6)
    coarse = metrics.prototype_loss(truth, truth + np.array([0.0, 0.1, 0.0]), np.array([500.0, 504.0, 508.0]))
    assert found[0] - coarse[0] == pytest.approx(100 * 0.01 * (1 - 1 / 16), rel=1e-6)


@pytest.mark.parametrize("shift, expected", [(0, 0.0), (5, 5.0), (20, 20.0), (120, metrics.LOST)])
def test_peaks_are_off_by_as_much_as_they_are_shifted(shift, expected):
    values = scored(peaked(500), peaked(500 + shift))
    assert values["peak_error"] == expected and values["peaks_within_2nm"] == (shift == 0)


def test_no_peaks_no_peak_error():
    flat = np.full((4, 2, 2, 61), 0.2, "float32")
    assert scored(flat, flat)["peak_error"] is None
    assert scored(peaked(500), np.full((6, 2, 2, 61), 0.2, "float32"))["peak_error"] == metrics.LOST


def test_the_nearest_neighbour_of_a_copy_is_its_original():
    truth = RNG.uniform(0.1, 0.4, (5, 2, 2, 61)).astype("float32")
    train = structures(5, truth)
    patterns = np.stack([move_patterns(train.patterns()[k], 7 * k) for k in range(4)])
    expected = np.stack([move_spectra(truth[k], 7 * k) for k in range(4)])
    found = baselines.nearest_neighbour(train, structures(4, expected, patterns=patterns))
    np.testing.assert_array_equal(found, expected)


def test_the_linear_baseline_learns_a_linear_world():
    """Each pixel gets the more light the less silicon nitride is above it."""
    patterns = np.repeat(np.repeat(RNG.integers(0, 2, (300, 16, 16)), 2, 1), 2, 2).astype("uint8")
    fill = patterns.reshape(300, 2, 16, 2, 16).mean((2, 4))
    spectra = (0.4 - 0.3 * fill[..., None] * np.ones(61)).astype("float32")
    records = structures(300, spectra, patterns=patterns)
    predict = baselines.linear(records.take(range(200)), records.take(range(200, 250)))
    found = predict(records.take(range(250, 300)))
    assert np.abs(found - spectra[250:]).max() < 1e-3 < spectra.std()


@pytest.mark.parametrize("asked", [[400.0, 402.5, 550.0, 553.75, 699.9, 700.0], [512.3], list(WAVELENGTH)])
def test_any_wavelength_finds_its_place_on_a_grid(asked):
    asked = np.array(asked)
    grids = encode.grids_of(asked, RECIPE_32.data)
    assert np.allclose(np.diff(grids), 5.0) and (len(grids) == 1) == (len(asked) != 6)
    found = encode.on_wavelengths(np.stack([grids, grids + 1000]), asked, RECIPE_32.data)
    np.testing.assert_allclose(found, [asked, asked + 1000], atol=0.01)


def test_examples_of_several_grids_are_each_structure_on_every_grid():
    records = structures(3, wavelength=np.array([450.0, 451.0]))
    examples = encode.encode(records, RECIPE_32)
    assert len(examples) == 6
    inputs, targets = examples.take(np.array([1, 4]))
    np.testing.assert_array_equal(inputs["pattern"][..., 0], records.patterns([0, 2]))
    np.testing.assert_allclose(inputs["wavelength"][:, :2], [[401.0, 406.0], [400.0, 405.0]])
    assert targets == {}


def test_spectra_are_written_and_read_again(tmp_path):
    transmittance = RNG.uniform(0.1, 0.24, (3, 2, 2, 61)).astype("float32")
    records = structures(3)
    made = Spectra(records, transmittance, 1 - transmittance.sum((1, 2)), BAND)
    made.write(tmp_path / "a.h5")
    again = load(tmp_path / "a.h5", RECIPE_32)
    np.testing.assert_array_equal(again.spectra, transmittance)
    np.testing.assert_array_equal(again.patterns(), records.patterns())
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_allclose(file["reflected"][:] + transmittance.sum((1, 2)), 1.0, atol=1e-6)
    made.write(tmp_path / "b.H5")
    assert (tmp_path / "b.H5").read_bytes()[:4] == b"\x89HDF"
    made.write(tmp_path / "a.csv")
    made.write(tmp_path / "b.CSV")
    assert (tmp_path / "b.CSV").read_text() == (tmp_path / "a.csv").read_text()
    row = pd.read_csv(tmp_path / "a.csv").query("structure == 's:1' and pixel == 'G2' and wavelength == 550")
    assert row["transmittance"].item() == pytest.approx(transmittance[1, 1, 0, 30], abs=1e-6)
    first = made.frame().iloc[0]
    assert first["B_red"] == pytest.approx(transmittance[0, 1, 1, 40:].mean()) and first["structure"] == "s:0"


def test_untrained_propagation_is_a_baseline_of_networks_with_propagation():
    """Of data solved with as many slices: nothing is left to be learned, and they are exact."""
    recipe = RECIPE_32.with_changes({"data": {"slices": 2, "n_wavelengths": 61}, "model": {"propagation_slices": 2}})
    patterns = np.random.default_rng(0).integers(0, 2, (6, 32, 32)).astype("uint8")
    solver = ScalarSolver(recipe.data, WAVELENGTH)
    records = structures(6, np.stack([solver.solve(p).transmitted for p in patterns]), patterns=patterns)
    parts = {
        "train": records.take(range(2)),
        "validation": records.take(range(2, 4)),
        "test": records.take(range(4, 6)),
    }
    scores = baselines.baselines(recipe, parts)
    assert scores["untrained_propagation"].values["mae"] < 1e-6 < scores["linear"].values["mae"]
    blind = recipe.with_changes({"model": {"propagation_slices": 0}})
    assert "untrained_propagation" not in baselines.baselines(blind, parts)


def test_solvers_that_take_shortcuts_are_baselines_of_rigorous_spectra():
    """Few orders are exact for spectra of as many, but for the polynomials between 24 wavelengths; the scalar solver is
    not. Structures at other wavelengths are scored, too."""
    few = {"solver": "rcwa", "orders": baselines.FEW_ORDERS, "n_wavelengths": 61}
    recipe = RECIPE_32.with_changes({"data": few, "model": {"propagation_slices": 0}})
    patterns = np.random.default_rng(0).integers(0, 2, (6, 8, 8)).repeat(4, 1).repeat(4, 2).astype("uint8")
    solver = RcwaSolver(recipe.data, WAVELENGTH)
    records = structures(6, np.stack([solver.solve(p).transmitted for p in patterns]), patterns=patterns)
    parts = {name: records.take(rows) for name, rows in (("train", [0, 1]), ("validation", [2, 3]), ("test", [4, 5]))}
    fine = np.linspace(400, 700, 121)
    solver = RcwaSolver(recipe.data, fine)
    spectra = np.stack([solver.solve(p).transmitted for p in patterns[4:]])
    parts["transfer"] = structures(2, spectra, wavelength=fine, patterns=patterns[4:])
    scores = {name: of.values for name, of in baselines.baselines(recipe, parts).items()}
    assert scores["few_orders"]["mae"] < 3e-3 and scores["scalar_solver"]["mae"] > 0.005
    assert scores["few_orders"]["transfer_mae"] < 3e-3 and scores["scalar_solver"]["transfer_mae"] > 0.005
    for name in ("mean_spectrum", "nearest_neighbour", "linear"):  # splines between their wavelengths
        assert scores[name]["transfer_mae"] == pytest.approx(scores[name]["mae"], rel=0.1)


def test_a_router_is_scored_by_the_light_in_pixels_of_its_colour():
    even = np.full((2, 2, 61), 0.25)
    assert router.efficiency(even, WAVELENGTH, "RGGB", BAND) == pytest.approx(1 / 3)
    light = router.light_of(WAVELENGTH, BAND)
    perfect = np.zeros((2, 2, 61))
    perfect[0, 0], perfect[0, 1], perfect[1, 0], perfect[1, 1] = light[2], light[1] / 2, light[1] / 2, light[0]
    assert router.efficiency(perfect, WAVELENGTH, "RGGB", BAND) == pytest.approx(1.0)
    assert router.efficiency(perfect, WAVELENGTH, "BGGR", BAND) == pytest.approx(1 / 3)
    assert router.efficiency(perfect, WAVELENGTH, "RGGB", BAND, "red") == pytest.approx(1.0)
    assert router.by_colour(even, "RGGB")["G"] == pytest.approx(0.5)


class _LightThroughGaps:
    """In the network's place: each pixel gets the fraction of gaps above it, a quarter at most."""

    few_order_layer = staticmethod(lambda nodes: None)

    def __call__(self, inputs, training):
        gaps = ops.reshape(1 - inputs["pattern"], (-1, 2, 16, 2, 16))
        transmittance = ops.mean(gaps, axis=(2, 4)) / 4
        return {"spectra": ops.expand_dims(transmittance, -1) + 0 * ops.reshape(inputs["wavelength"], (-1, 1, 1, 61))}


def test_the_search_goes_where_the_network_points_and_keeps_the_rules():
    data = RECIPE_32.data
    weights = np.zeros((2, 2, 61), "float32")
    weights[0, 1] = 4 / 61
    what = search.Search(_LightThroughGaps(), data, weights, starts=3, steps=40, rate=0.08)
    found = what.run(np.random.default_rng(0), lambda *about: None)
    start = what.smoothed(np.random.default_rng(0).standard_normal((3, 32, 32)).astype("float32"))
    gaps, before = (1 - p.reshape(-1, 2, 16, 2, 16).mean((2, 4)) for p in (found, ops.convert_to_numpy(start) > 0))
    assert len(found) >= 2 and (gaps[:, 0, 1] > 0.9).all() and (before[:, 0, 1] < 0.8).all()
    assert (gaps[:, 1, 0] < 0.9).all(), "nothing asked for light there"
    assert np.array_equal(what.allowed(found), found), "no feature is too small"
