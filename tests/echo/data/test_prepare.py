"""The field's pre-processing by hand-worked values."""

import numpy as np
import pytest

from kmodels.echo.data.prepare import recording_length, resize, resize_depth, spectrogram, weights


def test_recordings_are_cut_as_the_field_cuts_them():
    assert recording_length(30.0) == 7782
    assert recording_length(12.0) == 3112


def test_spectrogram_by_its_definition():
    """One column and a few rows, summed term by term; the window is around sample 16 t."""
    recording = np.random.default_rng(0).normal(size=(640, 2)).astype("float32")
    found = spectrogram(recording)
    assert found.shape == (257, 41, 2) and found.dtype == np.float32
    n = np.arange(64)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / 64)
    for t, k, ear in ((7, 0, 0), (7, 30, 1), (20, 256, 0), (33, 128, 1)):
        piece = recording[16 * t - 32 : 16 * t + 32, ear]
        expected = abs((window * piece * np.exp(-2j * np.pi * k * n / 512)).sum())
        assert found[k, t, ear] == pytest.approx(expected, rel=1e-4, abs=1e-4)
    mirrored = np.concatenate([recording[32:0:-1, 0], recording[:32, 0]])
    assert found[9, 0, 0] == pytest.approx(abs((window * mirrored * np.exp(-2j * np.pi * 9 * n / 512)).sum()), rel=1e-4)


def test_spectrogram_of_a_tone():
    """A tone of amplitude a in bin 64 (5512.5 Hz): a / 2 times the window's sum, 32, there."""
    tone = 0.5 * np.sin(2 * np.pi * 64 / 512 * np.arange(3112))
    found = spectrogram(np.stack([tone, 0 * tone], axis=1))
    assert (found[:, 5:-5, 0].argmax(axis=0) == 64).all()
    np.testing.assert_allclose(found[64, 5:-5, 0], 0.25 * 32, rtol=1e-3)
    assert not found[..., 1].any()


def test_resizing_keeps_what_it_must():
    image = np.random.default_rng(0).random((20, 33, 2)).astype("float32")
    np.testing.assert_allclose(resize(np.full((257, 195), 3.0, "float32"), 64), 3.0, rtol=1e-6)
    np.testing.assert_array_equal(weights(16, 16), np.eye(16))
    assert resize(image, 10).shape == (10, 10, 2)
    np.testing.assert_allclose(resize(image, 10).mean(axis=(0, 1)), image.mean(axis=(0, 1)), rtol=0.02)
    np.testing.assert_allclose(weights(2, 4) @ [0.0, 1.0], [0, 0.25, 0.75, 1], rtol=1e-6)
    np.testing.assert_allclose(weights(4, 2), [[3 / 7, 3 / 7, 1 / 7, 0], [0, 1 / 7, 3 / 7, 3 / 7]], rtol=1e-6)


def test_axes_are_not_swapped():
    image = np.zeros((40, 80), "float32")
    image[:20] = 1.0
    found = resize(image, 20)
    assert found[:9].min() == 1.0 and found[11:].max() == 0.0


def test_unknown_depth_is_not_mixed_in():
    """A fifth of a wall 3 m away is unknown, here and there and in one block; what is known stays 3 m."""
    rng = np.random.default_rng(0)
    depth = np.full((720, 1280), 3.0, "float32")
    depth[rng.random(depth.shape) < 0.1] = 0.0
    depth[100:300, 200:600] = 0.0
    found = resize_depth(depth, 64, 30.0)
    assert set(np.unique(np.round(found, 4))) == {0.0, 3.0}
    assert (found[10:26, 11:29] == 0).all()
    assert (found == 0).mean() == pytest.approx(200 * 400 / depth.size, rel=0.1)


def test_depth_is_cut_off_before_it_is_averaged():
    depth = np.array([[2.0, 2.0], [50.0, 50.0]], "float32")
    np.testing.assert_array_equal(resize_depth(depth, 2, 10.0), [[2.0, 2.0], [10.0, 10.0]])
    assert resize_depth(np.tile(depth, (8, 8)), 4, 10.0).max() <= 10.0
