"""The scalar solver against closed forms: Airy, energy, symmetries, two beams, a thin grating; and its limits."""

import itertools

import numpy as np
import pytest
from helpers import scalar_exact
from helpers.metasurface import SCALAR

from kmodels.metasurface.data.symmetry import COUNT, move_patterns, move_spectra
from kmodels.metasurface.simulator.materials import refractive_index
from kmodels.metasurface.simulator.patterns import sample_pattern
from kmodels.metasurface.simulator.scalar import ScalarSolver, film, half_period_weights

WIDE = {"period": 2000.0, "grid": 32, "n_wavelengths": 301}
DATA = SCALAR.with_changes({"data": WIDE}).data
WAVELENGTH = np.array([400.0, 437.5, 500.0, 555.5, 633.0, 700.0])


def section(**changes):
    """The data section of the prototype's period with changed fields."""
    return SCALAR.with_changes({"data": WIDE | changes}).data


@pytest.fixture(scope="module")
def solver():
    return ScalarSolver(DATA, WAVELENGTH)


@pytest.fixture(scope="module")
def patterns():
    rng = np.random.default_rng(0)
    return np.stack([sample_pattern(rng, DATA) for _ in range(3)])


def test_indices_as_published():
    """Malitson 1965 at the sodium and helium-neon lines; Luke et al. 2015 at 588 nm and 1.55 um."""
    np.testing.assert_allclose(refractive_index("silica", [589.3, 632.8]), [1.45840, 1.45702], atol=1e-5)
    np.testing.assert_allclose(refractive_index("silicon_nitride", [587.6, 1550.0]), [2.0458, 1.9963], atol=2e-4)
    assert (refractive_index("air", WAVELENGTH) == 1).all()
    for name in ("silica", "silicon_nitride"):
        assert (np.diff(refractive_index(name, WAVELENGTH)) < 0).all()  # normal dispersion


def airy(n1, n2, n3, wavelength, height):
    """Transmittance of a film from intensities alone (Born and Wolf, Principles of Optics, section 1.6.4)."""
    r12, r23 = (n1 - n2) / (n1 + n2), (n2 - n3) / (n2 + n3)
    cosine = np.cos(4 * np.pi * n2 * height / wavelength)
    reflectance = (r12**2 + r23**2 + 2 * r12 * r23 * cosine) / (1 + r12**2 * r23**2 + 2 * r12 * r23 * cosine)
    return 1 - reflectance


@pytest.mark.parametrize("solid", [0, 1])
@pytest.mark.parametrize("media", [{}, {"cover": "silica", "gap": "silica", "spacer": "air", "height": 431.0}])
def test_a_uniform_film_gives_every_pixel_a_quarter_of_airy(solid, media):
    data = section(**media)
    found = ScalarSolver(data).solve(np.full((128, 128), solid, "uint8"))
    wavelength = data.wavelengths()
    middle = "silicon_nitride" if solid else data.gap
    n = [refractive_index(m, wavelength) for m in (data.cover, middle, data.spacer)]
    expected = airy(*n, wavelength, data.height)
    np.testing.assert_allclose(found.transmitted, np.broadcast_to(expected / 4, (2, 2, 301)), rtol=5e-6)
    np.testing.assert_allclose(found.reflected, 1 - expected, atol=5e-6)
    if solid:
        assert np.ptp(expected) > 0.05  # the fringes are there


def test_what_goes_through_and_what_comes_back_are_everything(solver, patterns):
    for pattern in patterns:
        found = solver.solve(pattern)
        np.testing.assert_allclose(found.transmitted.sum((0, 1)) + found.reflected, 1.0, atol=1e-5)
        assert (found.transmitted > 0).all() and found.reflected.min() > 0.01


def test_the_32_symmetries(solver, patterns):
    before = solver.solve(patterns[0]).transmitted
    assert np.ptp(before, axis=(0, 1)).min() > 0.005  # the four pixels differ, so that a permutation shows
    seen = set()
    for symmetry in range(COUNT):
        moved = move_patterns(patterns[0], symmetry)
        seen.add(moved.tobytes())
        np.testing.assert_allclose(solver.solve(moved).transmitted, move_spectra(before, symmetry), atol=2e-6)
    assert len(seen) == COUNT


def test_a_quarter_period_is_no_symmetry(solver, patterns):
    shifted = solver.solve(np.roll(patterns[0], 32, 1)).transmitted
    before = solver.solve(patterns[0]).transmitted
    assert min(np.abs(shifted - move_spectra(before, k)).max() for k in range(COUNT)) > 0.005


def test_weights_integrate_half_a_period():
    weights = half_period_weights(32)
    x = (np.arange(32) + 0.5) / 32
    for m in range(16):
        cosine, sine = weights @ np.cos(2 * np.pi * m * x), weights @ np.sin(2 * np.pi * m * x)
        np.testing.assert_allclose(cosine, 0.5 if m == 0 else 0.0, atol=1e-15)
        half = (1 - np.cos(np.pi * m)) / (2 * np.pi * m) if m else 0.0
        np.testing.assert_allclose(sine, [half, -half], atol=1e-15)


@pytest.mark.parametrize("distance", [300.0, 900.0, 2000.0])
def test_stripes_on_a_thin_film_send_orders_that_interfere(distance):
    """Stripes half a period wide, too thin to diffract within: the orders' beams are followed to the pixels by hand.

    Behind the film the field has two values, A and B: (A + B) / 2 and sines of odd order m, of amplitude
    2 (A - B) / (pi m). Between halves of the period only the interference of each sine with the mean differs.
    """
    data = section(height=5.0, slices=1, distance=distance, grid=64)
    pattern = np.tile(np.arange(128) < 64, (128, 1)).astype("uint8")
    found = ScalarSolver(data, [520.0]).solve(pattern).transmitted[..., 0].sum(axis=0)
    k0 = 2 * np.pi / 520.0
    air, solid, silica = (float(refractive_index(m, 520.0)) for m in ("air", "silicon_nitride", "silica"))
    one, other = (film(air, n, silica, k0 * n * 5.0)[0] * np.exp(1j * k0 * n * 5.0) for n in (solid, air))
    mean, reference = (one + other) / 2, k0 * np.sqrt((1 + solid**2) / 2)
    total, difference = abs(mean) ** 2 * fresnel(reference, silica * k0) ** 2, 0.0
    for m in (1, 3, 5):  # the seventh is beyond the light cone
        above, below = (np.sqrt(k**2 - (2 * np.pi * m / data.period) ** 2) for k in (reference, silica * k0))
        beam = 2 * (one - other) / (np.pi * m) * fresnel(above, below) * np.exp(1j * (below - silica * k0) * distance)
        total += abs(beam) ** 2 / 2
        difference += 2 * np.real(np.conj(mean * fresnel(reference, silica * k0)) * beam) * 2 / (np.pi * m)
    assert abs(difference) > 0.002
    assert (found[0] - found[1]) / found.sum() == pytest.approx(difference / total, rel=0.03)


@pytest.mark.parametrize("period, height", [(2000.0, 600.0), (600.0, 1500.0), (365.0, 300.0)])
def test_weak_stripes_in_a_thick_film_scatter_once(period, height):
    """Born's approximation, orders by hand: a sine of order m that grows along the way comes out as

    4 / (pi m) i phi (exp(i kappa h) - 1) / (i kappa h),  kappa = k_z - k, phi half the difference of k0 n h.

    The stripes are 33 and 31 of 64 pixels of every cell. At 600 nm paraxial waves would be off by 10%; at 365 nm the
    first order leaves almost along the face, where Fresnel's coefficient falls.
    """
    small = {"smallest_feature": 10.0, "correlation": [10.0, 50.0]}
    data = section(period=period, height=height, distance=1300.0, slices=100, grid=64, pixels=512, **small)
    cell = np.arange(64).reshape(8, 8)
    pattern = np.hstack([np.tile(cell < count, (64, 32)) for count in (33, 31)])
    found = ScalarSolver(data, [520.0]).solve(pattern).transmitted[..., 0].sum(axis=0)
    k0 = 2 * np.pi / 520.0
    solid, silica = (float(refractive_index(m, 520.0)) for m in ("silicon_nitride", "silica"))
    n = np.sqrt(1 + np.array([33, 31]) / 64 * (solid**2 - 1))
    k, k_below, phi = k0 * np.sqrt((1 + solid**2) / 2), k0 * silica, k0 * (n[0] - n[1]) / 2 * height
    t = film(1.0, n, silica, k0 * n * height)[0]
    difference = 0.0
    for m in range(1, int(k_below * period / (2 * np.pi)) + 1, 2):
        inside, below = (np.sqrt(one**2 - (2 * np.pi * m / period) ** 2) for one in (k, k_below))
        phase = 1j * (inside - k) * height
        grown = t.mean() * 1j * phi * (np.exp(phase) - 1) / phase + (t[0] - t[1]) / 2
        weight = fresnel(inside, below) / fresnel(k, k_below)
        beam = 4 / (np.pi * m) * grown / t.mean() * weight * np.exp(1j * (below - k_below) * data.distance)
        difference += 2 * beam.real * 2 / (np.pi * m)
    assert abs(difference) > 0.005
    assert (found[0] - found[1]) / found.sum() == pytest.approx(difference, rel=0.015)


def fresnel(k_z, k_z_below):
    """Amplitude of flux that passes a face."""
    return 2 * np.sqrt(k_z * k_z_below) / (k_z + k_z_below)


def test_slices_converge():
    """Twice the slices change it by less and less."""
    wide = np.tile(np.repeat([1, 0, 1, 0], 32), (128, 1))
    pattern = (wide * wide.T).astype("uint8")
    found = [ScalarSolver(section(slices=s), WAVELENGTH[2:]).solve(pattern) for s in (12, 24, 48)]
    first, second = (np.abs(b.transmitted - a.transmitted).mean() for a, b in itertools.pairwise(found))
    assert second < 0.6 * first


def test_the_exact_solution_is_airy_too():
    """The yardstick of the next test is one."""
    expected = [refractive_index(m, 500.0) for m in ("air", "silicon_nitride", "silica")]
    found, reflected = scalar_exact.solve(np.ones((128, 128)), DATA, 500.0, 4)
    np.testing.assert_allclose(found, airy(*expected, 500.0, DATA.height) / 4, rtol=1e-9)
    assert found.sum() + reflected == pytest.approx(1.0, abs=1e-9)


def test_how_far_from_the_exact_scalar_solution(patterns):
    """As the docstring of scalar.py says."""
    data = section(correlation=[120.0, 121.0])
    rng = np.random.default_rng(3)
    wavelength = np.array([540.0, 620.0, 690.0])
    solver = ScalarSolver(data, wavelength)
    errors, pairs = [], []
    for _ in range(3):
        pattern = sample_pattern(rng, data)
        found = np.moveaxis(solver.solve(pattern).transmitted, -1, 0)
        for k, one in enumerate(wavelength):
            exact, reflected = scalar_exact.solve(pattern, data, one, int(np.ceil(2.06 * data.period / one)))
            assert exact.sum() + reflected == pytest.approx(1.0, abs=1e-6)
            errors.append(np.abs(found[k] - exact).mean())
            pairs.append((found[k] - found[k].mean(), exact - exact.mean()))
    correlation = np.corrcoef(*(np.ravel(part) for part in zip(*pairs, strict=True)))[0, 1]
    assert np.mean(errors) < 0.035 and correlation > 0.6


def test_a_pattern_of_another_size_is_refused(solver):
    with pytest.raises(ValueError, match="expected a square multiple of 32"):
        solver.solve(np.zeros((128, 100)))


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"grid": 28, "pixels": 224}, r"grid = 28 is too coarse for the shortest wavelength: needs more than 30"),
        ({"grid": 48}, r"grid = 48 does not divide pixels = 128"),
        ({"wavelength": [300.0, 700.0]}, r"wavelength = 300: the materials are known from 310 nm on"),
        ({"wavelength": [700.0, 400.0]}, r"wavelength = \[700, 400\]: needs 0 < lowest < highest"),
        ({"smallest_feature": 300.0}, r"smallest_feature = 300 nm: at most an eighth of the period"),
    ],
)
def test_recipes_that_cannot_be_simulated(changes, said):
    with pytest.raises(ValueError, match=said):
        section(**changes)
