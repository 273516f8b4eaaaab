"""The rigorous solver beside what is known exactly."""

import numpy as np
import pytest
from helpers.metasurface import SCALAR

from kmodels.metasurface.data.load import load
from kmodels.metasurface.data.symmetry import move_patterns, move_spectra
from kmodels.metasurface.simulator import rcwa, structures
from kmodels.metasurface.simulator.materials import refractive_index
from kmodels.metasurface.simulator.patterns import sample_pattern
from kmodels.metasurface.simulator.rcwa import RcwaSolver, RealWaves
from kmodels.metasurface.simulator.scalar import film, half_period_weights

RECIPE_1UM = SCALAR.with_changes(
    {"data": {"solver": "rcwa", "period": 1000.0, "grid": 16, "pixels": 32, "orders": 21, "n_structures": 8}}
)
WAVELENGTH = np.array([450.0, 650.0])


@pytest.fixture(scope="module")
def solver():
    return RcwaSolver(RECIPE_1UM.data, WAVELENGTH)


@pytest.fixture(scope="module")
def pattern():
    return sample_pattern(np.random.default_rng(0), RECIPE_1UM.data)


def test_an_order_that_runs_along_the_surface_leaves_no_hole(pattern):
    """500 nm is half the period: without care 0 / 0."""
    found = RcwaSolver(RECIPE_1UM.data, [500.0 * (1 - 1e-8), 500.0, 500.0 * (1 + 1e-8)]).solve(pattern)
    assert found.transmitted.sum((0, 1)) + found.reflected == pytest.approx(1.0, abs=1e-9)
    assert np.ptp(found.transmitted, axis=-1).max() < 1e-4


@pytest.mark.parametrize("solid, name", [(1, "silicon_nitride"), (0, "air")])
def test_a_uniform_film_gives_every_pixel_a_quarter_of_airy(solver, solid, name):
    found = solver.solve(np.full((32, 32), solid))
    n = [refractive_index(material, WAVELENGTH) for material in ("air", name, "silica")]
    t, r = film(*n, 2 * np.pi / WAVELENGTH * n[1] * RECIPE_1UM.data.height)
    np.testing.assert_allclose(found.transmitted, np.broadcast_to(np.abs(t) ** 2 / 4, (2, 2, 2)), atol=1e-12)
    np.testing.assert_allclose(found.reflected, np.abs(r) ** 2, atol=1e-12)


def test_what_goes_through_and_what_comes_back_are_everything(solver, pattern):
    found = solver.solve(pattern)
    np.testing.assert_allclose(found.transmitted.sum((0, 1)) + found.reflected, 1.0, atol=1e-12)
    assert found.reflected.min() > 0.01


def test_symmetries(solver, pattern):
    """Each generator of the 32, and one that is made of all."""
    before = solver.solve(pattern).transmitted
    assert np.ptp(before, axis=(0, 1)).min() > 0.01  # the four pixels differ, so that a permutation shows
    for symmetry in (1, 2, 4, 8, 16, 31):
        moved = solver.solve(move_patterns(pattern, symmetry)).transmitted
        np.testing.assert_allclose(moved, move_spectra(before, symmetry), atol=1e-10)


def test_the_polarisations_differ_but_their_mean_knows_no_direction(solver):
    """Stripes along one axis and along the other give the same, pixels exchanged."""
    stripes = np.zeros((32, 32), "uint8")
    stripes[:, 3:14] = 1
    along, across = solver.solve(stripes).transmitted, solver.solve(stripes.T).transmitted
    np.testing.assert_allclose(across, along.swapaxes(0, 1), atol=1e-10)
    assert np.abs(along[:, 0] - along[:, 1]).min() > 1e-3


def test_it_goes_on_where_it_was_stopped(solver, monkeypatch, tmp_path):
    monkeypatch.setitem(structures.WORTH_WORKERS, "rcwa", 100)  # here: processes take seconds to start
    monkeypatch.setitem(structures.PER_FILE, "rcwa", 2)
    few = RECIPE_1UM.with_changes({"data": {"n_wavelengths": 3, "orders": 9}})
    structures.simulate(few, tmp_path, lambda done, total: None)
    first, *_, last = sorted(tmp_path.iterdir())
    kept, whole = first.stat().st_mtime_ns, load(tmp_path, few).spectra
    last.unlink()
    told = []
    structures.simulate(few, tmp_path, lambda done, total: told.append((done, total)))
    assert first.stat().st_mtime_ns == kept and told[-1] == (8, 8)
    np.testing.assert_array_equal(load(tmp_path, few).spectra, whole)


# -- its parts ------------------------------------------------------------------------------------------------


def test_functions_are_of_mean_square_1_and_fill_a_circle():
    waves = RealWaves(30)
    assert len(waves.orders) == 29 and waves.highest == 3, "37 would be more than 30"
    values = waves.values(16)
    np.testing.assert_allclose(values.T @ values / 16**2, np.eye(29), atol=1e-12)


def test_a_product_with_a_pattern_is_that_of_its_pixels(pattern):
    """Against the mean over many points of each pixel, whose error falls with the square of their number."""
    waves = RealWaves(21)
    fine = np.kron(pattern, np.ones((16, 16)))
    values = waves.values(len(fine))
    expected = values.T @ (fine.reshape(-1, 1) * values) / fine.size
    np.testing.assert_allclose(waves.product_with(pattern), expected, atol=1e-4)


def test_derivatives(pattern):
    """Of each function, against differences between neighbours."""
    waves, n = RealWaves(21), 400
    values = waves.values(n).reshape(n, n, -1)
    for axis, (derivative, order) in enumerate(zip(waves.derivatives, (1, 0), strict=True)):
        slope = (np.roll(values, -1, order) - np.roll(values, 1, order)) / (4 * np.pi / n)
        np.testing.assert_allclose(values @ derivative, slope, atol=0.01, err_msg="xy"[axis])


def test_a_layer_is_that_of_its_modes():
    """M1 = W w coth(w t) W^-1 and M2 = W w / sinh(w t) W^-1, with P Q = W w^2 W^-1."""
    rng = np.random.default_rng(0)
    vectors, squares = rng.standard_normal((6, 6)), np.array([-40.0, -3.0, -0.2, 0.5, 9.0, 80.0])
    inverse, thickness = np.linalg.inv(vectors), 3.7
    w = np.sqrt(squares + 0j)
    for found, factor in zip(
        rcwa._layer(vectors * squares @ inverse, thickness),
        (w / np.tanh(w * thickness), w / np.sinh(w * thickness)),
        strict=True,
    ):
        np.testing.assert_allclose(found, (vectors * factor.real) @ inverse, atol=1e-9)


def test_another_solver_gives_the_same(monkeypatch, pattern):
    """fmmax finds the layer's modes; it takes a pattern for samples, without the width of a pixel."""
    fmmax = pytest.importorskip("fmmax")
    data = RECIPE_1UM.data
    found = RcwaSolver(data, WAVELENGTH).solve(pattern).transmitted
    monkeypatch.setattr(rcwa.np, "sinc", np.ones_like)
    as_samples = RcwaSolver(data, WAVELENGTH).solve(pattern).transmitted
    theirs = np.stack([_by_fmmax(fmmax, data, pattern, one) for one in WAVELENGTH], axis=-1)
    np.testing.assert_allclose(as_samples, theirs, atol=1e-8)
    assert 1e-5 < np.abs(found - theirs).max() < 0.02


def _by_fmmax(fmmax, data, pattern, wavelength):
    """Compute the transmittance of each pixel, (2, 2)."""
    import jax

    length, k = data.period / 1000, rcwa.OFF_GRAZING * wavelength / 1000
    with jax.enable_x64(True), jax.default_device(jax.devices("cpu")[0]):
        lattice = fmmax.LatticeVectors(u=np.array([length, 0.0]), v=np.array([0.0, length]))
        expansion = fmmax.generate_expansion(lattice, data.orders, fmmax.Truncation.CIRCULAR)
        names = (data.cover, data.gap, "silicon_nitride", data.spacer)
        cover, gap, solid, spacer = (complex(refractive_index(name, 1000 * k) ** 2) for name in names)
        layers = [
            fmmax.eigensolve_isotropic_media(
                wavelength=np.asarray(k),
                in_plane_wavevector=np.zeros(2),
                primitive_lattice_vectors=lattice,
                permittivity=values,
                expansion=expansion,
                formulation=fmmax.Formulation.FFT,
            )
            for values in (np.full((1, 1), cover), gap + (solid - gap) * pattern, np.full((1, 1), spacer))
        ]
        scattering = fmmax.stack_s_matrix(layers, [np.asarray(t) for t in (0.0, data.height / 1000, 0.0)])
        n = expansion.num_terms
        straight = int(np.flatnonzero((expansion.basis_coefficients == 0).all(1))[0])
        incident = np.zeros((2 * n, 2), complex)
        incident[straight, 0] = incident[n + straight, 1] = 1.0
        forward = fmmax.propagate_amplitude(scattering.s11 @ incident, data.distance / 1000, layers[2])
        coming, _ = fmmax.amplitude_poynting_flux(incident, scattering.s21 @ incident, layers[0])
        fields = fmmax.fields_from_wave_amplitudes(forward, 0 * forward, layers[2])
        place = (np.arange(48) + 0.5) / 48
        along = np.exp(2j * np.pi * np.multiply.outer(place, expansion.basis_coefficients))
        waves = (along[:, None, :, 0] * along[None, :, :, 1]).reshape(48**2, n)
        (ex, ey, _), (hx, hy, _) = ((waves @ np.asarray(part) for part in field) for field in fields)
        flux = 0.5 * (ex * hy.conj() - ey * hx.conj()).real.T.reshape(2, 48, 48)
        quadrature = half_period_weights(48)
        return (quadrature @ flux @ quadrature.T / np.asarray(coming.sum(0))[:, None, None]).mean(0)
