"""Range and direction against closed forms: a point's echo lies at its range and in its direction."""

import numpy as np
import pytest

from kmodels.echo.data import range_azimuth
from kmodels.echo.data.acoustics import SPEED_OF_SOUND, chirp
from kmodels.echo.data.batvision import SAMPLE_RATE
from kmodels.echo.data.prepare import recording_length
from kmodels.echo.recipe import Data

DATA = Data()
SAMPLES = recording_length(DATA.max_depth)


def heard(sources, spacing=0.2, noise=0.0) -> np.ndarray:
    """A recording (samples, 2) of point echoes: (range [m], component to the right, pressure), far away."""
    signal = chirp(*DATA.chirp, DATA.chirp_ms)
    length = SAMPLES + 2 * len(signal)
    turns = np.fft.rfftfreq(length, 1 / SAMPLE_RATE)
    spectrum = np.zeros((2, len(turns)), complex)
    arrivals = [(spacing / 2 / SPEED_OF_SOUND, 0.0, 5.0)]  # the chirp's own
    arrivals += [(2 * r / SPEED_OF_SOUND, spacing * q / 2 / SPEED_OF_SOUND, p) for r, q, p in sources]
    for seconds, apart, pressure in arrivals:
        for ear, sign in ((0, 1), (1, -1)):  # what comes from the right reaches the left ear later
            spectrum[ear] += pressure * np.exp(-2j * np.pi * turns * (seconds + sign * apart))
    ears = np.fft.irfft(spectrum * np.fft.rfft(signal, length), length)[:, :SAMPLES]
    ears += noise * np.random.default_rng(0).normal(size=ears.shape)
    return (ears.T / range_azimuth.FULL_SCALE).astype("float32")


@pytest.mark.parametrize("distance, right", [(1.5, 0.0), (3.2, 0.4), (7.7, -0.6)])
def test_an_echo_lies_at_its_range_and_in_its_direction(distance, right):
    correlation, profile = range_azimuth.hear(heard([(distance, right, 0.3)]), DATA)
    metres = range_azimuth.metres(len(profile))
    power = np.where(metres > 0.6, profile[:, :6].sum(-1), -99)
    row = power.argmax()
    assert metres[row] == pytest.approx(distance, abs=0.07)
    directions = range_azimuth.directions(DATA.view[0])
    best = directions[correlation[row].sum(-1).argmax()]
    assert best == pytest.approx(right, abs=0.05)
    assert correlation[row].max() == pytest.approx(1.0, abs=0.06), "nothing else arrives then"


@pytest.mark.parametrize("spacing", [0.15, 0.19, 0.23])
def test_the_distance_of_the_ears_is_measured_in_noise(spacing):
    filtered = range_azimuth._filtered(range_azimuth.FULL_SCALE * heard([], spacing, 0.1).T, DATA)
    assert range_azimuth.ear_spacing(filtered.real) == pytest.approx(spacing, abs=2e-3)


def test_fine_profiles_tell_a_centimetre():
    """The quarter of a step in which the envelope is largest is that of the echo, 1.6 cm wide."""
    for distance in (2.00, 2.02, 2.04):
        _, profile = range_azimuth.hear(heard([(distance, 0.0, 0.3)]), DATA)
        fine = profile[:, 6:].reshape(len(profile), -1, 2)[..., 0].ravel()
        step = range_azimuth.FINE / SAMPLE_RATE * SPEED_OF_SOUND / 2
        first = int(0.6 / step)
        middle = (first + fine[first:].argmax() + 0.5) * step
        assert middle == pytest.approx(distance, abs=0.02)


def test_mirrored_is_what_the_mirrored_room_would_sound_like():
    from kmodels.echo.data.encode import MIRRORED

    plain, mirrored = (range_azimuth.hear(heard([(2.5, sign * 0.5, 0.3)]), DATA) for sign in (1, -1))
    turned = [MIRRORED[name](values[None])[0] for name, values in zip(("correlation", "profile"), plain, strict=True)]
    np.testing.assert_allclose(turned[0], mirrored[0], atol=2e-3)
    np.testing.assert_allclose(turned[1], mirrored[1], atol=2e-2)


def test_silence_is_finite():
    correlation, profile = range_azimuth.hear(np.zeros((SAMPLES, 2), "float32"), DATA)
    assert np.isfinite(profile).all() and (correlation == 0).all()


def test_directions_belong_to_the_columns_of_the_image():
    right = range_azimuth.directions(86.0)
    inside = right[range_azimuth.ASIDE : -range_azimuth.ASIDE]
    column = np.tan(np.arcsin(inside)) / np.tan(np.radians(43))
    np.testing.assert_allclose(column, (2 * np.arange(32) + 1) / 32 - 1, atol=1e-12)
    assert (np.diff(right) > 0).all() and abs(right).max() < 1
