"""Structures as MATLAB and other programs write them: the same records, or one line that says what to do."""

import os
import re

import h5py
import numpy as np
import pytest
from helpers.metasurface import SCALAR
from scipy import io

from kmodels.core.spec.errors import UserError
from kmodels.metasurface.data import hdf5
from kmodels.metasurface.data.load import load
from kmodels.read import main

RECIPE_32 = SCALAR.with_changes({"data": {"pixels": 32, "n_wavelengths": 3}})
RNG = np.random.default_rng(0)
PATTERNS = RNG.integers(0, 2, (32, 32, 32)).astype("uint8")  # as many structures as pixels: nothing shows the order
SPECTRA = RNG.uniform(0.05, 0.3, (32, 2, 2, 3)).astype("float32")
WAVELENGTH = np.array([400.0, 550.0, 700.0])
SAID = {"pixel_order": "RGGB", "period": 1000.0}


def write(path, n=32, change=None, **arrays):
    """An HDF5 file of h5py, as a user writes one; `change(file)` before it is closed."""
    given = {"patterns": PATTERNS[:n], "spectra": SPECTRA[:n], "wavelength": WAVELENGTH} | arrays
    with h5py.File(path, "w") as file:
        for name, values in given.items():
            if values is not None:
                file[name] = values
        file["wavelength"].attrs["units"] = "nm"
        file.attrs.update(SAID)
        if change is not None:
            change(file)


def h5write(path, n=32, change=None, **arrays):
    """An HDF5 file as MATLAB's h5write makes it: axes in reverse, a vector a matrix."""
    given = {"patterns": PATTERNS[:n], "spectra": SPECTRA[:n], "wavelength": WAVELENGTH[None]} | arrays
    write(path, n, change, **{name: None if values is None else values.T for name, values in given.items()})


def save_v73(path, n=32, **arrays):
    """A file as MATLAB's save(..., '-v7.3') makes it: a user block, reversed axes, classes, letters as their codes."""
    given = {"patterns": PATTERNS[:n].astype("float64"), "spectra": SPECTRA[:n], "wavelength": WAVELENGTH[None]} | SAID
    given |= {"wavelength_units": "nm", **arrays}
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in given.items():
            letters = isinstance(values, str)
            codes = np.array([[ord(letter)] for letter in values], "uint16") if letters else np.atleast_2d(values).T
            file[name] = codes
            file[name].attrs["MATLAB_class"] = np.bytes_("char" if letters else "double")
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")


def save_v7(path, n=32, compressed=True, **arrays):
    given = {"patterns": PATTERNS[:n].astype("float64"), "spectra": SPECTRA[:n], "wavelength": WAVELENGTH} | SAID
    io.savemat(path, given | {"wavelength_units": "nm", **arrays}, do_compression=compressed)


def same(found, n=32, spectra=SPECTRA, rows=slice(None)):
    np.testing.assert_array_equal(found.patterns(), PATTERNS[:n][rows])
    np.testing.assert_allclose(found.spectra, spectra[:n][rows], rtol=1e-6)
    np.testing.assert_allclose(found.wavelength, WAVELENGTH)


def refused(path, said, recipe=RECIPE_32, **options):
    with pytest.raises(UserError) as caught:
        load(path, recipe, **options)
    message = str(caught.value)
    assert path.name in message and "\n" not in message and re.search(said, message), message


def set_attribute(name, key, value):
    def change(file):
        (file[name] if name else file).attrs[key] = value

    return change


# -- axes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [4, 32])
@pytest.mark.parametrize("writer", [write, h5write, save_v73, save_v7])
def test_axes_are_those_of_the_writer(tmp_path, writer, n):
    path = tmp_path / ("a.mat" if writer in (save_v7, save_v73) else "a.h5")
    writer(path, n)
    found = load(path, RECIPE_32)
    same(found, n)
    assert any("axes in reverse" in note for note in found.notes) == (writer in (h5write, save_v73))


def test_axes_that_nothing_tells_are_asked_for(tmp_path):
    path = tmp_path / "a.h5"
    spectra = RNG.uniform(0.05, 0.3, (32, 2, 2, 32)).astype("float32")
    write(path, spectra=spectra, wavelength=np.linspace(400, 700, 32))
    question = (
        r"patterns: has shape \(32, 32, 32\): which axis is the structure's\? .* attribute axes: 'x, y, structure'"
    )
    refused(path, question)
    write(path, 32, spectra=None)
    refused(path, question, labels=False)
    h5write(path, 4, spectra=None)
    refused(path, r"has shape \(32, 32, 4\): which axis", labels=False)
    write(path, 4, spectra=None)
    assert len(load(path, RECIPE_32, labels=False)) == 4


@pytest.mark.parametrize("writer, axes", [(write, "structure, y, x"), (h5write, "X,Y,Structure")])
def test_the_file_may_say_its_axes(tmp_path, writer, axes):
    writer(tmp_path / "a.h5", spectra=None, change=set_attribute("patterns", "axes", axes))
    found = load(tmp_path, RECIPE_32, labels=False)
    np.testing.assert_array_equal(found.patterns(), PATTERNS)
    writer(tmp_path / "a.h5", change=set_attribute("patterns", "axes", "y, x, structure"))
    refused(tmp_path / "a.h5", r"patterns: axes 'y, x, structure'; expected 'structure, y, x' or 'x, y, structure'")


def test_files_of_the_simulator_say_their_axes(tmp_path):
    hdf5.write(tmp_path / "a.h5", PATTERNS, SPECTRA, WAVELENGTH, SAID)
    np.testing.assert_array_equal(load(tmp_path, RECIPE_32, labels=False).patterns(), PATTERNS)


def test_structures_last_in_matlab_are_to_be_permuted(tmp_path):
    save_v73(tmp_path / "a.mat", patterns=PATTERNS[:4].T, spectra=SPECTRA[:4].T)
    refused(tmp_path / "a.mat", r"patterns: 32 x 32 x 4 in MATLAB; expected .*permute\(patterns, \[3 1 2\]\)")


# -- wavelengths -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3,), (1, 3), (3, 1)])
def test_wavelengths_may_be_a_matrix_of_one_row_or_column(tmp_path, shape):
    write(tmp_path / "a.h5", wavelength=WAVELENGTH.reshape(shape))
    same(load(tmp_path, RECIPE_32))
    write(tmp_path / "a.h5", wavelength=np.ones((2, 3)))
    refused(tmp_path / "a.h5", r"wavelength: has shape \(2, 3\); expected \(w,\)")


UNITS = {
    1: ("nm", "nanometers", "nanometer", "Nanometers", b"nm", np.array(["nm"], dtype=object), " nm "),
    1e3: ("um", "microns", "micron", "micrometres", "µm", "μm", np.array([b"um"])),
    1e9: ("m", "meters"),
    0.1: ("angstrom",),
    1e6: ("mm",),
}


def test_any_unit_of_length(tmp_path):
    """A folder with a file for each: they agree, or would be refused."""
    for k, (size, unit) in enumerate((size, unit) for size, names in UNITS.items() for unit in names):
        change = set_attribute("wavelength", "units", unit)
        write(tmp_path / f"{k:02d}.h5", 1, change, wavelength=WAVELENGTH / size)
    found = load(tmp_path, RECIPE_32)
    assert len(found) == sum(map(len, UNITS.values()))
    np.testing.assert_allclose(found.wavelength, WAVELENGTH)


@pytest.mark.parametrize("writer", [write, h5write, save_v73, save_v7])
def test_wavelengths_that_fall_are_turned_with_their_spectra(tmp_path, writer):
    path = tmp_path / ("a.mat" if writer in (save_v7, save_v73) else "a.h5")
    writer(path, wavelength=WAVELENGTH[None, ::-1], spectra=SPECTRA[..., ::-1])
    found = load(path, RECIPE_32)
    same(found)
    assert "wavelengths that fall: turned, with their spectra (files: 1)" in found.notes


@pytest.mark.parametrize(
    "values, unit, said",
    [
        (WAVELENGTH / 1e3, "nm", r"wavelength\[0\] = 0\.4 nm; data\.wavelength = .*; are they in um\? Then say so"),
        (WAVELENGTH, "um", r"wavelength\[0\] = 400000 nm; .*; are they in nm\?"),
        (WAVELENGTH / 1e9, "nm", r"are they in m\?"),
        (WAVELENGTH * 10, "nm", r"are they in angstrom\?"),
        (WAVELENGTH + 10, "nm", r"710 nm; data\.wavelength = \[400, 700\] nm$"),
        (WAVELENGTH, "eV", r"units 'eV'; expected nm or um, or another length"),
        (WAVELENGTH, "", r"units ''; expected nm"),
        (WAVELENGTH, 5, r"units 5; expected nm"),
        ([400.0, 700.0, 550.0], "nm", r"wavelength\[2\] = 550 nm; expected numbers above 0 that rise, or fall"),
        ([700.0, 700.0, 550.0], "nm", r"expected numbers above 0 that rise, or fall"),
        ([400.0, np.nan, 700.0], "nm", r"wavelength\[1\] = nan nm"),
    ],
)
def test_wavelengths_that_cannot_be(tmp_path, values, unit, said):
    write(tmp_path / "a.h5", 4, wavelength=np.array(values), change=set_attribute("wavelength", "units", unit))
    refused(tmp_path / "a.h5", said)


# -- what files say --------------------------------------------------------------------------------------------------


def test_attributes_may_be_arrays_of_one(tmp_path):
    orders = ("RGGB", b"RGGB", np.array([b"RGGB"]), np.array(["RGGB"], dtype=object), " rggb ")
    periods = (1000, np.array([1000.0]), np.array([[1000]], "float32"))
    for k, (order, period) in enumerate((order, period) for order in orders for period in periods):

        def change(file, order=order, period=period):
            file.attrs["pixel_order"], file.attrs["period"] = order, period
            file.attrs["cover"] = np.array([b"air"])

        write(tmp_path / f"{k:02d}.h5", 1, change)
    assert len(load(tmp_path, RECIPE_32)) == len(orders) * len(periods)


@pytest.mark.parametrize(
    "key, value, said",
    [
        ("period", np.array([2000.0]), r"attribute period = 2000\.0; the recipe has data\.period = 1000\.0$"),
        ("period", 1.0, r"attribute period = 1\.0; the recipe has data\.period = 1000\.0; .* nm: is it in um\?"),
        ("cover", np.array([b"silica"]), "attribute cover = silica; the recipe has data.cover = air"),
        ("pixel_order", np.array([b"BGGR"]), "attribute pixel_order: 'BGGR'; data.pixel_order = 'RGGB'"),
    ],
)
def test_attributes_that_disagree(tmp_path, key, value, said):
    write(tmp_path / "a.h5", 4, set_attribute("", key, value))
    refused(tmp_path / "a.h5", said)


# -- spectra ---------------------------------------------------------------------------------------------------------


def amplitudes():
    return np.sqrt(SPECTRA.astype("float64")) * np.exp(1j * RNG.uniform(0, 6, SPECTRA.shape))


def test_amplitudes_are_squared_where_the_file_says_so(tmp_path):
    says = set_attribute("spectra", "quantity", "amplitude")
    for values in (amplitudes(), np.abs(amplitudes()), amplitudes().astype("complex64")):
        for writer in (write, h5write):
            writer(tmp_path / "a.h5", spectra=values, change=says)
            found = load(tmp_path, RECIPE_32)
            same(found)
            assert "amplitudes: squared (files: 1)" in found.notes
    write(tmp_path / "a.h5", spectra=amplitudes())
    refused(tmp_path / "a.h5", r"spectra: complex numbers; .* attribute quantity = 'amplitude'")
    write(tmp_path / "a.h5", spectra=amplitudes(), change=set_attribute("spectra", "quantity", "transmittance"))
    refused(tmp_path / "a.h5", r"spectra: complex numbers")
    write(tmp_path / "a.h5", change=set_attribute("spectra", "quantity", "phase"))
    refused(tmp_path / "a.h5", r"quantity 'phase'; expected transmittance or amplitude")
    write(tmp_path / "a.h5", spectra=2 * amplitudes(), change=says)
    refused(tmp_path / "a.h5", r"spectra\[0, 0, 0, 0\] = .*; a transmittance lies in \[0, 1\]")


def test_amplitudes_of_matlab(tmp_path):
    values = amplitudes()
    save_v7(tmp_path / "a.mat", spectra=values, spectra_quantity="amplitude")
    same(load(tmp_path, RECIPE_32))
    save_v7(tmp_path / "a.mat", spectra=values)
    refused(tmp_path / "a.mat", "spectra: complex numbers")
    stored = np.zeros(values.shape, [("real", "f8"), ("imag", "f8")])
    stored["real"], stored["imag"] = values.real, values.imag
    save_v73(tmp_path / "a.mat", spectra=stored, spectra_quantity="amplitude")
    same(load(tmp_path, RECIPE_32))


def test_percentages_are_converted_or_asked_for(tmp_path):
    write(tmp_path / "a.h5", spectra=100 * SPECTRA, change=set_attribute("spectra", "units", "%"))
    same(load(tmp_path, RECIPE_32))
    write(tmp_path / "a.h5", spectra=100 * SPECTRA)
    refused(tmp_path / "a.h5", r"a transmittance lies in \[0, 1\]; is it in percent\? .* units = '%'")
    write(tmp_path / "a.h5", change=set_attribute("spectra", "units", "W"))
    refused(tmp_path / "a.h5", "spectra: units 'W'; expected 1 or %")


def test_structures_with_nan_are_left_out_and_counted(tmp_path):
    spectra = SPECTRA[:8].copy()
    spectra[2, 1, 0, 2], spectra[5], spectra[6] = np.nan, np.nan, 0.0
    write(tmp_path / "a.h5", 8, spectra=spectra)
    found = load(tmp_path, RECIPE_32)
    same(found, 8, rows=[0, 1, 3, 4, 7])
    assert found.names.tolist() == ["a:0", "a:1", "a:3", "a:4", "a:7"] and found.dropped == 3
    assert found.notes == (
        "1 of 8 structures were not simulated (all 0): left out",
        "2 of 8 structures have NaN in their spectra: left out",
    )
    write(tmp_path / "a.h5", 8, spectra=np.full_like(spectra, np.nan))
    refused(tmp_path / "a.h5", "no structures; 8 with NaN in their spectra")
    spectra[3, 0, 0, 0] = np.inf
    write(tmp_path / "a.h5", 8, spectra=spectra)
    refused(tmp_path / "a.h5", r"spectra\[3, 0, 0, 0\] = inf; expected a number")


def test_read_says_what_was_turned_and_left_out(tmp_path, capsys):
    spectra = SPECTRA.copy()
    spectra[3] = np.nan
    write(tmp_path / "a.h5", spectra=spectra, wavelength=WAVELENGTH[::-1])
    words = ["--model", "metasurface", "--data", str(tmp_path / "a.h5"), "--data.pixels=32", "--data.n_wavelengths=3"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "a.h5: wavelengths that fall: turned, with their spectra (files: 1)" in said
    assert "a.h5: 1 of 32 structures have NaN in their spectra: left out" in said
    assert re.search(r"parts .* of 31\b", said)


# -- files -----------------------------------------------------------------------------------------------------------


def test_suffixes_in_capitals(tmp_path):
    for name in ("a.H5", "b.HDF5"):
        write(tmp_path / name, 4)
    save_v7(tmp_path / "c.mat", 4)
    (tmp_path / "c.mat").rename(tmp_path / "c.MAT")
    for name, values in (("Patterns", PATTERNS[:4, None]), ("Spectra", -SPECTRA[:4, :, :, :].reshape(4, 4, 3)[:, :3])):
        np.save(tmp_path / f"{name.lower()}.npy", values)
        (tmp_path / f"{name.lower()}.npy").rename(tmp_path / f"{name.upper()}.NPY")
    assert len(load(tmp_path, RECIPE_32)) == 16
    assert len(load(tmp_path / "PATTERNS.NPY", RECIPE_32)) == 4


@pytest.mark.parametrize(
    "change, said",
    [
        ({"wavelength_units": None}, r"wavelength: units \(missing\); expected nm"),
        ({"pixel_order": None}, "attribute pixel_order: missing"),
        ({"period": 500.0}, "attribute period = 500"),
        ({"patterns": None}, "patterns: missing"),
        ({"patterns": np.array([[{}]])}, "patterns: .*expected numbers|patterns: has shape"),
        ({"patterns": "text"}, "patterns: type .*; expected numbers"),
        ({"spectra": PATTERNS}, "spectra: type uint8; expected numbers"),
        ({"spectra": SPECTRA[:4]}, r"spectra: has shape \(4, 2, 2, 3\); expected .* = \(32, 2, 2, 3\)"),
    ],
)
def test_bad_variables_of_matlab(tmp_path, change, said):
    given = {"patterns": PATTERNS, "spectra": SPECTRA, "wavelength": WAVELENGTH, "wavelength_units": "nm"} | SAID
    io.savemat(tmp_path / "a.mat", {name: value for name, value in (given | change).items() if value is not None})
    refused(tmp_path / "a.mat", said)


def test_mat_files_that_are_none(tmp_path):
    path = tmp_path / "a.mat"
    save_v7(path, 4)
    whole = path.read_bytes()
    for content in (b"", b"no such format", whole[:60], whole[: len(whole) // 2], whole[:-50]):
        path.write_bytes(content)
        refused(path, r"a\.mat")
    io.savemat(path, {"wavelength": WAVELENGTH}, format="4")
    refused(path, "cannot be read as a MATLAB file: save it with -v7 or -v7.3")


@pytest.mark.skipif(os.name != "posix", reason="names there are text")
def test_a_folder_whose_name_is_not_utf_8(tmp_path):
    folder = tmp_path / os.fsdecode(b"M\xfcller")
    folder.mkdir()
    hdf5.write(folder / "a.h5", PATTERNS, SPECTRA, WAVELENGTH, SAID)
    save_v73(folder / "b.mat")
    save_v7(folder / "c.mat")
    assert len(load(folder, RECIPE_32)) == 96
