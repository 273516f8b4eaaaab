"""Conformal intervals, and the flag of patterns unlike those of the training."""

import numpy as np
import pytest
from helpers.metasurface import SCALAR

from kmodels.metasurface import MetasurfaceNet
from kmodels.metasurface.data.pattern_features import FEATURES, pattern_features
from kmodels.metasurface.data.records import Structures, pack
from kmodels.metasurface.data.symmetry import COUNT, move_patterns
from kmodels.metasurface.evaluation import calibration, metrics
from kmodels.metasurface.evaluation.extended import regular_patterns
from kmodels.metasurface.evaluation.prediction import Spectra
from kmodels.metasurface.simulator.patterns import sample_pattern

DATA = SCALAR.data.model_copy(update={"pixels": 64})
WAVELENGTH = np.linspace(400, 700, 7)
PATTERNS = np.stack([sample_pattern(np.random.default_rng(k), DATA) for k in range(150)])


def structures(patterns, spectra=None) -> Structures:
    n = len(patterns)
    return Structures(pack(patterns), spectra, WAVELENGTH, "RGGB", np.arange(n).astype(str), np.arange(n))


def network() -> MetasurfaceNet:
    size = dict(channels=(8, 8, 8, 8), blocks=1, d_model=16, heads=2, decoder_blocks=1, propagation_slices=0)
    return MetasurfaceNet(64, n_wavelengths=7, calibrated=True, **size)


def test_no_symmetry_changes_the_features():
    features = pattern_features(PATTERNS[:5])
    assert features.shape == (5, FEATURES) and features.std(0).min() > 0.1
    for symmetry in range(COUNT):
        np.testing.assert_allclose(pattern_features(move_patterns(PATTERNS[:5], symmetry)), features, atol=1e-9)


def test_a_checkerboard_has_all_its_power_in_one_class():
    place = np.arange(64) * 4 // 64 % 2
    shares = np.exp(pattern_features((place[:, None] ^ place)[None])) - 1e-3
    assert shares[0].argmax() == 4 and shares[0, 4] > 0.6 and np.delete(shares[0], 4).max() < 1e-9  # (2, 2)


def test_intervals_cover_nine_of_ten_of_new_errors():
    rng = np.random.default_rng(0)
    scale = np.linspace(0.01, 0.1, 7)
    seen, new = (np.abs(rng.laplace(0, 1, (n, 2, 2, 7))) * scale for n in (150, 4000))
    covered = (new <= calibration.half_widths(seen)).mean((0, 1, 2))
    assert abs(covered.mean() - 0.9) < 0.02 and np.abs(covered - 0.9).max() < 0.06
    assert calibration.half_widths(np.ones((3, 2, 2, 7))) == pytest.approx(1)  # too few: the largest error


def test_stripes_and_checkerboards_are_flagged_and_new_random_patterns_are_not():
    net = network()
    calibration.learn_patterns(net, structures(PATTERNS[:100]))
    listener = calibration.Calibration(structures(PATTERNS[100:], np.zeros((50, 2, 2, 7), "float32")))
    listener.set_model(net)
    listener.on_validation_outputs({"spectra": np.full((50, 2, 2, 7), 0.1, "float32")})
    fresh = np.stack([sample_pattern(np.random.default_rng(1000 + k), DATA) for k in range(100)])
    assert calibration.flags(net, structures(fresh)).mean() < 0.12
    assert calibration.flags(net, regular_patterns(structures(fresh))).all()
    np.testing.assert_allclose(calibration.interval_at(net, np.array([400.0, 425.0])), 0.1, rtol=1e-6)


def test_fewer_patterns_than_features_are_enough():
    net = network()
    calibration.learn_patterns(net, structures(PATTERNS[:6]))
    distances = calibration.distances(net, structures(PATTERNS[:20]))
    assert np.isfinite(distances).all() and distances[:6].max() < 6**0.5


def test_a_table_and_the_scores_have_the_intervals():
    spectra = np.random.default_rng(0).uniform(0, 0.5, (4, 2, 2, 7)).astype("float32")
    known = dict(half_width=np.full(7, 0.1, "float32"), unlike=np.array([False, True, False, False]))
    records = structures(PATTERNS[:4], spectra)
    guess = spectra + np.array([0.05, 0.2], "float32")[:, None]
    made = Spectra(records, guess, None, (400.0, 700.0), **known)
    table = made.table()
    np.testing.assert_allclose(table["high"] - table["low"], 0.2, atol=0.1 + 1e-6)
    assert (table["low"] >= 0).all() and made.frame()["unlike_training"].tolist() == [False, True, False, False]
    scores = metrics.metrics({"test": records, "train": records}, made, 0).values
    assert scores["interval_coverage"] == pytest.approx(0.5) and scores["flagged"] == 0.25
    assert scores["interval_width"] == pytest.approx(0.2)
    plain = metrics.metrics({"test": records, "train": records}, Spectra(records, guess, None, (400.0, 700.0)), 0)
    assert "interval_coverage" not in plain.values
