"""The loader: both formats by hand-worked values, and a bad file of each kind refused by one line."""

import re

import h5py
import numpy as np
import pytest
from helpers.metasurface import SCALAR

from kmodels.core.spec.errors import UserError
from kmodels.core.training import batching
from kmodels.metasurface.data import hdf5, legacy_numpy
from kmodels.metasurface.data.load import load
from kmodels.metasurface.data.symmetry import COUNT, move_patterns, move_spectra

RECIPE_32 = SCALAR.with_changes({"data": {"pixels": 32, "n_wavelengths": 3}})
RNG = np.random.default_rng(0)
PATTERNS = RNG.integers(0, 2, (4, 32, 32)).astype("uint8")
SPECTRA = RNG.uniform(0.05, 0.3, (4, 2, 2, 3)).astype("float32")
WAVELENGTH = np.array([400.0, 550.0, 700.0])
RGB = -RNG.uniform(0.05, 0.3, (4, 3, 3)).astype("float32")


def write(path, patterns=PATTERNS, spectra=SPECTRA, wavelength=WAVELENGTH, **attributes):
    hdf5.write(path, patterns, spectra, wavelength, {"pixel_order": "RGGB", **attributes})


def write_pair(folder, name="", patterns=PATTERNS[:, None], spectra=RGB):
    np.save(folder / f"{name}patterns.npy", patterns)
    np.save(folder / f"{name}spectra.npy", spectra)


def changed(values, index, value):
    values = values.copy()
    values[index] = value
    return values


def refused(path, said, recipe=RECIPE_32, **options):
    """The message, one line that names the file and matches `said`."""
    with pytest.raises(UserError) as caught:
        load(path, recipe, **options)
    message = str(caught.value)
    assert "\n" not in message and re.search(said, message), message
    return message


def test_hdf5(tmp_path):
    write(tmp_path / "a.h5")
    write(tmp_path / "b.hdf5", PATTERNS[::-1], SPECTRA[::-1])
    found = load(tmp_path, RECIPE_32)
    np.testing.assert_array_equal(found.patterns(), np.concatenate([PATTERNS, PATTERNS[::-1]]))
    np.testing.assert_array_equal(found.spectra[:4], SPECTRA)
    np.testing.assert_array_equal(found.wavelength, WAVELENGTH)
    assert found.names[5] == "b:1" and found.pixel_order == "RGGB" and found.dropped == 0
    part = found.take([6, 1])
    np.testing.assert_array_equal(part.patterns([1]), PATTERNS[1:2])
    assert len(part) == 2 and part.groups[0] == part.groups[1]  # the second file holds copies of the first


@pytest.mark.parametrize("units, factor", [("nm", 1.0), ("um", 1e-3), ("m", 1e-9)])
def test_units_of_wavelength(tmp_path, units, factor):
    write(tmp_path / "a.h5", wavelength=WAVELENGTH * factor)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["wavelength"].attrs["units"] = units
    np.testing.assert_allclose(load(tmp_path, RECIPE_32).wavelength, WAVELENGTH)


def test_without_labels_patterns_are_enough(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["patterns"] = PATTERNS
    found = load(tmp_path, RECIPE_32, labels=False)
    assert found.spectra is None and len(found) == 4 and found.take([1]).spectra is None
    np.testing.assert_array_equal(found.wavelength, WAVELENGTH)
    np.save(tmp_path / "patterns.npy", PATTERNS[:, None])
    assert len(load(tmp_path / "patterns.npy", RECIPE_32, labels=False)) == 4
    refused(tmp_path / "a.h5", r"a\.h5: spectra: missing")
    refused(tmp_path / "patterns.npy", r"spectra\.npy: no such file; a pair is")


@pytest.mark.parametrize("order, colours", [("RGGB", [[0, 1], [1, 2]]), ("BGGR", [[2, 1], [1, 0]])])
def test_numpy_pairs_of_the_prototype(tmp_path, order, colours):
    write_pair(tmp_path, "set1_")
    found = load(tmp_path, RECIPE_32.with_changes({"data": {"pixel_order": order}}))
    for row in range(2):
        for column in range(2):
            np.testing.assert_array_equal(found.spectra[:, row, column], -RGB[:, colours[row][column]])
    assert found.notes == (legacy_numpy.NOTE,) and found.names[2] == "set1_patterns:2"
    np.testing.assert_array_equal(found.patterns(), PATTERNS)


def test_rows_of_zeros_were_not_simulated(tmp_path):
    write_pair(tmp_path, spectra=changed(RGB, [0, 2], 0.0))
    found = load(tmp_path, RECIPE_32)
    assert found.dropped == 2 and found.names.tolist() == ["patterns:1", "patterns:3"]
    np.testing.assert_array_equal(found.patterns(), PATTERNS[[1, 3]])
    np.testing.assert_array_equal(found.spectra[1, 0, 0], -RGB[3, 0])
    write_pair(tmp_path, spectra=np.zeros_like(RGB))
    refused(tmp_path, r"patterns\.npy: no structures; 4 unsimulated ones")


def test_copies_stay_on_one_side(tmp_path):
    moved = [(move_patterns(PATTERNS, k), move_spectra(SPECTRA, k)) for k in range(COUNT)]
    write(tmp_path / "a.h5", *(np.concatenate(part) for part in zip(*moved, strict=True)))
    found = load(tmp_path, RECIPE_32)
    assert len(found) == 4 * COUNT and len(set(found.groups)) == 4
    parts = batching.split_groups(found.groups, (0.5, 0.25, 0.25), 0)
    assert [len(part) for part in parts.values()] == [2 * COUNT, COUNT, COUNT]


def test_blocks_of_a_large_file_keep_their_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr("kmodels.metasurface.data.load.BLOCK", 2)
    write(tmp_path / "a.h5")
    found = load(tmp_path, RECIPE_32)
    np.testing.assert_array_equal(found.patterns(), PATTERNS)
    assert found.names.tolist() == ["a:0", "a:1", "a:2", "a:3"]
    write(tmp_path / "a.h5", spectra=changed(SPECTRA, (3, 1, 0, 2), 2.0))
    refused(tmp_path, r"spectra\[3, 1, 0, 2\] = 2")


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"patterns": changed(PATTERNS, (2, 31, 7), 2)}, r"a\.h5: patterns\[2, 31, 7\] = 2; expected 0 or 1"),
        ({"spectra": changed(SPECTRA, (1, 0, 1, 2), np.inf)}, r"spectra\[1, 0, 1, 2\] = inf; expected a number"),
        (
            {"spectra": changed(SPECTRA, (3, 1, 1, 0), 1.01)},
            r"spectra\[3, 1, 1, 0\] = 1\.01; a transmittance .* in \[0, 1\]",
        ),
        ({"spectra": changed(SPECTRA, (0, 0, 0, 0), -0.01)}, r"spectra\[0, 0, 0, 0\] = -0\.01; a transmittance"),
        ({"patterns": PATTERNS[:, :, :16]}, r"patterns: has shape \(4, 32, 16\); expected .* data\.pixels = 32"),
        ({"wavelength": [400.0, 700.0, 550.0]}, r"wavelength\[2\] = 550 nm; expected numbers above 0 that rise"),
        ({"wavelength": [400.0, np.nan, 700.0]}, r"wavelength\[1\] = nan nm; expected numbers"),
        ({"wavelength": WAVELENGTH + 10}, r"wavelength\[2\] = 710 nm; data\.wavelength = \[400, 700\] nm"),
        ({"pixel_order": "BGGR"}, r"attribute pixel_order: 'BGGR'; data\.pixel_order = 'RGGB'"),
    ],
)
def test_bad_values_in_hdf5(tmp_path, arguments, said):
    write(tmp_path / "a.h5", **arguments)
    assert str(tmp_path / "a.h5") in refused(tmp_path, said)


def without(name):
    def change(file):
        del file[name]

    return change


def replaced(name, values):
    def change(file):
        without(name)(file)
        file[name] = values

    return change


def units_gone(file):
    file["wavelength"].attrs["units"] = "eV"


def order_gone(file):
    del file.attrs["pixel_order"]


def linked_elsewhere(file):
    without("patterns")(file)
    file["patterns"] = h5py.ExternalLink("/etc/passwd", "/")


@pytest.mark.parametrize(
    "change, said",
    [
        (without("patterns"), r"a\.h5: patterns: missing; expected a dataset \(structure, y, x\)"),
        (without("spectra"), r"a\.h5: spectra: missing"),
        (without("wavelength"), r"a\.h5: wavelength: missing; expected a dataset \(w,\) with units"),
        (units_gone, r"a\.h5: wavelength: units 'eV'; expected nm or um"),
        (order_gone, r"attribute pixel_order: missing; data\.pixel_order = 'RGGB'"),
        (replaced("patterns", np.array([b"text"])), r"patterns: type \|S4; expected numbers"),
        (replaced("patterns", np.uint8(1)), r"patterns: has shape \(\); expected \(structure, y, x\)"),
        (replaced("patterns", PATTERNS[:3]), r"spectra: has shape \(4, 2, 2, 3\); expected .* = \(3, 2, 2, 3\)"),
        (replaced("spectra", SPECTRA[0]), r"spectra: has shape \(2, 2, 3\)"),
        (linked_elsewhere, r"patterns: expected a dataset of this file"),
    ],
)
def test_bad_layout_of_hdf5(tmp_path, change, said):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["pixel_order"] = "RGGB"
        file["patterns"], file["spectra"], file["wavelength"] = PATTERNS, SPECTRA, WAVELENGTH
        file["wavelength"].attrs["units"] = "nm"
        change(file)
    assert str(tmp_path / "a.h5") in refused(tmp_path, said)


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"patterns": changed(PATTERNS[:, None], (1, 0, 3, 4), 255)}, r"patterns\[1, 3, 4\] = 255; expected 0 or 1"),
        ({"patterns": PATTERNS}, r"patterns\.npy: has shape \(4, 32, 32\); expected \(structure, 1, y, x\)"),
        ({"spectra": changed(RGB, (2, 1, 0), 0.1)}, r"spectra\[2, 1, 0\] = 0\.1; expected -1 .. 0, the sign of"),
        ({"spectra": changed(RGB, (2, 1, 0), -1.5)}, r"spectra\[2, 1, 0\] = -1\.5; expected -1 .. 0"),
        ({"spectra": changed(RGB, (2, 1, 0), np.inf)}, r"spectra\.npy: spectra\[2, 1, 0\] = inf; expected a number"),
        ({"spectra": np.full_like(RGB, np.nan)}, r"patterns\.npy: no structures; 4 with NaN in their spectra"),
        ({"spectra": RGB[:3]}, r"spectra\.npy: spectra: has shape \(3, 3, 3\); expected .* = \(4, 3, 3\)"),
        ({"spectra": RGB[:, :2]}, r"spectra\.npy: has shape \(4, 2, 3\); expected \(structure, 3, w\)"),
        ({"spectra": np.array([{}])}, r"spectra\.npy: cannot be read as a NumPy array: Array can't be memory-mapped"),
    ],
)
def test_bad_pairs(tmp_path, arguments, said):
    write_pair(tmp_path, **arguments)
    refused(tmp_path, said)


def test_files_that_are_no_data(tmp_path):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    for name in ("a.h5", "patterns.npy"):
        (tmp_path / name).write_bytes(pointer)
        refused(tmp_path / name, rf"{name}: a Git LFS pointer, not the data")
    write_pair(tmp_path)
    (tmp_path / "spectra.npy").write_bytes(pointer)
    refused(tmp_path / "patterns.npy", r"spectra\.npy: a Git LFS pointer")
    (tmp_path / "a.h5").write_bytes(b"no such format")
    refused(tmp_path / "a.h5", r"a\.h5: cannot be read as HDF5")
    (tmp_path / "patterns.npy").write_bytes(b"\x93NUMPY")
    refused(tmp_path / "patterns.npy", r"patterns\.npy: cannot be read as a NumPy array")
    np.save(tmp_path / "other.npy", PATTERNS)
    refused(tmp_path / "other.npy", r"other\.npy: expected a pair NAMEpatterns\.npy and NAMEspectra\.npy")
    (tmp_path / "a.csv").write_text("1")
    refused(tmp_path / "a.csv", r"a\.csv: data of metasurface is a file \.h5, \.hdf5, \.mat, \.npy")
    refused(tmp_path / "none", "no such file or folder")


def test_a_file_cut_short(tmp_path):
    write(tmp_path / "a.h5")
    whole = (tmp_path / "a.h5").read_bytes()
    for fraction in (0.1, 0.5, 0.9):
        (tmp_path / "a.h5").write_bytes(whole[: int(len(whole) * fraction)])
        refused(tmp_path, r"a\.h5")


def test_files_of_other_wavelengths_do_not_mix(tmp_path):
    write(tmp_path / "a.h5")
    write(tmp_path / "b.h5", wavelength=[400.0, 500.0, 700.0])
    refused(tmp_path, r"b\.h5: wavelength: 3 from 400 to 700 nm; .*a\.h5 has 3 from 400 to 700 nm")
