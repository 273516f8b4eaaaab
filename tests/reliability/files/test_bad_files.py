"""Hundreds of mutated files for each loader: one line that names the file, or values that are finite and in range."""

import gzip
import io
import json
import zipfile
from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd
import psutil
import pytest
import scipy.io
import soundfile
import xarray as xr
from helpers.mutations import fault_of, fuzz
from helpers.plain_runs import RECIPE as PLUME
from helpers.plain_runs import plain_run
from helpers.record import record
from helpers.small_days import RECIPE_SMALL as PRECIP
from helpers.small_days import contents, written
from hypothesis import given, settings
from hypothesis import strategies as st

from kmodels.core.io import files
from kmodels.core.spec import registry
from kmodels.core.spec.errors import UserError
from kmodels.echo.data.load import load as load_echo
from kmodels.echo.recipe import EchoRecipe
from kmodels.metasurface.data import hdf5
from kmodels.metasurface.data.load import load as load_metasurface
from kmodels.metasurface.recipe import MetasurfaceRecipe
from kmodels.nand.data.load import load as load_nand
from kmodels.nand.data.records import COLUMNS
from kmodels.nand.recipe import NandRecipe
from kmodels.nand.simulator import sequences as nand
from kmodels.plume.data import cf_writer
from kmodels.plume.data.load import load as load_plume
from kmodels.precip.data.load import load as load_precip
from kmodels.precip.data.variables import MOST_RAIN

NAND = NandRecipe().with_changes({"data": {"n_sequences": 40, "seq_len": 20}})
ECHO = EchoRecipe().with_changes({"data": {"image_size": 16, "max_depth": 2.0}})
RESAMPLED = ECHO.with_changes({"data": {"resample": True}})
METASURFACE = MetasurfaceRecipe().with_changes({"data": {"pixels": 32, "n_wavelengths": 3, "orders": 81}})
CALM = PLUME.with_changes({"model": {"wind": False, "transport": False, "base": "persistence"}})
POWER = CALM.with_changes({"data": {"group": "POWER"}})
FAST, SLOW = 15, 500


# -- real files ------------------------------------------------------------------------------------------------------


def nand_table(folder, suffix):
    nand.simulate(NAND, folder, lambda done, total: None)
    frame = pd.read_parquet(folder / "trace.parquet")
    path = folder / f"table{suffix}"
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    return path


def nand_gzip(folder, suffix):
    path = nand_table(folder, ".csv")
    path.write_bytes(gzip.compress(path.read_bytes()))
    return path


def nand_utf16(folder, suffix):
    path = folder / f"table{suffix}"
    path.write_bytes(nand_table(folder, ".csv").read_text().replace(",", "\t").encode("utf-16"))
    return path


def plume_netcdf(folder, suffix):
    path = folder / f"runs{suffix}"
    if suffix == ".nc3":
        path = folder / "classic.nc"
        cf_writer.dataset([plain_run("a")]).to_netcdf(path, engine="scipy")
    else:
        cf_writer.write_runs(path, [plain_run("a"), plain_run("b")])
    return path


def plume_archive(folder, suffix):
    run = plain_run("a")
    source = np.zeros(run.terrain.shape)
    source[2, 2] = 3.0
    path = folder / f"run{suffix}"
    conc = np.moveaxis(run.concentration, 1, 3)
    np.savez_compressed(path, terrain=run.terrain, source_q=source, source_h=source, conc=conc, units="kg m-3")
    return path


def plume_postfile(folder, suffix):
    lines = ["* AERMOD\n", "* X Y AVERAGE CONC ZELEV ZHILL ZFLAG AVE GRP DATE NET ID\n"]
    for hour in range(1, 9):
        for y in (0, 100, 200):
            lines += [f" {x} {y} {x + y + hour}.5 10.0 10.0 0.0 1-HR ALL 240101{hour:02d} G1\n" for x in (0, 100, 200)]
    path = folder / f"post{suffix}"
    path.write_text("".join(lines))
    return path


def plume_discrete(folder, suffix):
    """Discrete receptors, two source groups, averages over three hours, exponents of Fortran, no header."""
    lines = []
    for hour in range(3, 25, 3):
        for group in ("ALL", "POWER"):
            for y in (0, 100, 200):
                for x in (0, 100, 200):
                    conc = f"{x + y + hour:.5E}".replace("E", "D")
                    lines.append(f" {x} {y} {conc} 10.0 10.0 0.0 3-HR {group} 240101{hour:02d}\n")
    path = folder / f"discrete{suffix}"
    path.write_text("".join(lines))
    return path


def plume_turned(folder, suffix):
    """Every axis falls, the grid lies around the origin, and rounding has put values below 0."""
    data = cf_writer.dataset([plain_run("a")])
    data[cf_writer.CONCENTRATION].values[0, 2, 3] -= 5e-8
    data[cf_writer.CONCENTRATION].values[0, 2, 3] *= 1e-6
    for axis in "xy":
        data = data.assign_coords({axis: (axis, data[axis].values - 250.0, data[axis].attrs)})
        data[f"stack_{axis}"] -= 250.0
        data[f"stack_{axis}"].attrs["units"] = "m"
    path = folder / f"turned{suffix}"
    data.isel({name: slice(None, None, -1) for name in ("time", "z", "y", "x")}).to_netcdf(path, engine="h5netcdf")
    return path


def precip_netcdf(folder, suffix):
    return written(folder / "days")


def precip_era5(folder, suffix):
    """Sums under another name, in two versions along expver, on an axis called valid_time."""
    made = written(folder / "days")
    for path in [*made.glob("fine*.nc"), *made.glob("coarse*.nc")]:
        data = contents(path).drop_vars("time_bnds").rename(pr="tp", time="valid_time")
        data = xr.concat([data.where(data.valid_time < 6), data.where(data.valid_time >= 6)], dim="expver")
        data["tp"] = data.tp * 86.4
        data["tp"].attrs, data["valid_time"].attrs["bounds"] = {"units": "m"}, ""
        data.assign_coords(expver=[1, 5]).to_netcdf(path.with_suffix(".nc4"), engine="h5netcdf")
        path.unlink()
    (made / "manifest.json").unlink(missing_ok=True)
    return made


def precip_zarr(folder, suffix):
    made = written(folder / "days")
    for path in list(made.glob("*.nc")):
        contents(path).to_zarr(path.with_suffix(".zarr"))
        path.unlink()
    (made / "manifest.json").unlink(missing_ok=True)
    return made


def precip_arrays(folder, suffix):
    rng, grid = np.random.default_rng(0), PRECIP.data.grid
    names = len(contents(written(folder / "made") / "coarse-00000.nc").data_vars)
    place = folder / "days"
    (place / "X_lr").mkdir(parents=True), (place / "Y_hr").mkdir()
    for day in range(12):
        np.save(place / "X_lr" / f"day_{day:06d}.npy", rng.normal(size=(*grid.coarse_shape, names)).astype("float32"))
        np.save(place / "Y_hr" / f"day_{day:06d}.npy", rng.gamma(1, 3, grid.fine).astype("float32"))
    np.save(place / "statics.npy", np.ones((*grid.fine, 2)))
    files.write_json(place / "split.json", {"train": [0, 1, 2, 3], "val": [4, 5], "test": [6, 7]})
    files.write_json(place / "categories.json", {"heavy": [1, 2]})
    files.write_json(place / "thresholds.json", {"P95": 20.1})
    return place


def echo_v2(folder, suffix):
    rng, place = np.random.default_rng(0), folder / "hall"
    rows = []
    for k in range(3):
        for part in ("audio", "depth"):
            (place / part).mkdir(parents=True, exist_ok=True)
        soundfile.write(place / "audio" / f"a{k}.wav", rng.uniform(-0.1, 0.1, (518, 2)), 44_100, subtype="PCM_32")
        np.save(place / "depth" / f"d{k}.npy", rng.integers(500, 1900, (20, 24)).astype(np.uint16))
        rows.append(("hall/depth", f"d{k}.npy", "hall/audio", f"a{k}.wav"))
    columns = ["depth path", "depth file name", "audio path", "audio file name"]
    pd.DataFrame(rows, columns=columns).to_csv(place / "train.csv", index=False)
    return folder


def echo_v1(folder, suffix):
    rng, rows = np.random.default_rng(0), []
    for k in range(2):
        for name, values in (
            ("left", rng.uniform(-0.1, 0.1, 518)),
            ("right", rng.uniform(-0.1, 0.1, 518)),
            ("depth", rng.uniform(500, 1900, (20, 24)).astype("float32")),
        ):
            (folder / name).mkdir(exist_ok=True)
            np.save(folder / name / f"{k}.npy", values)
        rows.append((f"depth/{k}.npy", f"left/{k}.npy", f"right/{k}.npy"))
    columns = ["depth path", "audio path left", "audio path right"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "train.csv", index=False)
    return folder


def echo_48k(folder, suffix):
    """Float WAVs of 48 kHz and a mono one of 16 bits; the CSV is that of Windows, with semicolons."""
    echo_v2(folder, suffix)
    sound = np.random.default_rng(0).uniform(-0.1, 0.1, (700, 2))
    for k in range(2):
        soundfile.write(folder / "hall" / "audio" / f"a{k}.wav", sound, 48_000, subtype="FLOAT")
    soundfile.write(folder / "hall" / "audio" / "a2.wav", sound[:, 0], 44_100, subtype="PCM_16")
    table = folder / "hall" / "train.csv"
    table.write_text(table.read_text().replace(",", ";").replace("/", "\\"))
    return folder


def echo_int16(folder, suffix):
    """V1 by day, int16, depth with values below 0."""
    echo_v1(folder, suffix)
    (folder / "2019-11-07").mkdir()
    for name in ("left", "right", "depth"):
        for path in (folder / name).iterdir():
            values = np.load(path)
            values[:1] = -1 if name == "depth" else 0
            np.save(path, values if name == "depth" else (values * 2**15).astype(np.int16))
        (folder / name).rename(folder / "2019-11-07" / name)
    table = folder / "train.csv"
    head, _, rows = table.read_text().partition("\n")
    for name in ("left", "right", "depth"):
        rows = rows.replace(f"{name}/", f"/2019-11-07/{name}/")
    table.write_text(f"{head}\n{rows}")
    return folder


def structures_hdf5(folder, suffix):
    rng, path = np.random.default_rng(0), folder / f"structures{suffix}"
    patterns, spectra = rng.integers(0, 2, (4, 32, 32)), rng.uniform(0.05, 0.3, (4, 2, 2, 3))
    hdf5.write(path, patterns, spectra, [400.0, 550.0, 700.0], {"pixel_order": "RGGB", "period": 1000.0})
    return path


def structures_reversed(folder, suffix):
    """As MATLAB's h5write and its -v7.3 make it, with wavelengths that fall, in um, and amplitudes."""
    rng, path = np.random.default_rng(0), folder / f"reversed{suffix}"
    with h5py.File(path, "w") as file:
        file["patterns"] = rng.integers(0, 2, (4, 32, 32)).astype("float64").T
        file["spectra"] = np.sqrt(rng.uniform(0.05, 0.3, (4, 2, 2, 3))).T.astype("complex64")
        file["wavelength"] = np.array([[0.7], [0.55], [0.4]])
        file["wavelength"].attrs["units"] = np.array([b"microns"])
        file["spectra"].attrs["quantity"] = "amplitude"
        file["patterns"].attrs["MATLAB_class"] = np.bytes_("double")
        file["pixel_order"] = np.array([[82], [71], [71], [66]], "uint16")
        file["pixel_order"].attrs["MATLAB_class"] = np.bytes_("char")
    return path


def structures_mat(folder, suffix):
    rng, path = np.random.default_rng(0), folder / f"structures{suffix}"
    patterns, spectra = rng.integers(0, 2, (4, 32, 32)).astype("float64"), rng.uniform(0.05, 0.3, (4, 2, 2, 3))
    said = {"pixel_order": "RGGB", "wavelength_units": "nm", "period": 1000.0}
    arrays = {"patterns": patterns, "spectra": spectra, "wavelength": [400.0, 550.0, 700.0]}
    scipy.io.savemat(path, arrays | said, do_compression=True)
    return path


def structures_pair(folder, suffix):
    rng, place = np.random.default_rng(0), folder / "pair"
    place.mkdir()
    np.save(place / "patterns.npy", rng.integers(0, 2, (4, 1, 32, 32)).astype("uint8"))
    np.save(place / "spectra.npy", -rng.uniform(0.05, 0.3, (4, 3, 3)).astype("float32"))
    return place


# -- what a loaded file must be like ---------------------------------------------------------------------------------


def good_trace(trace):
    geometry = NAND.data.geometry
    assert ((trace.block >= 0) & (trace.block < geometry.blocks)).all()
    assert ((trace.page >= -1) & (trace.page < geometry.pages)).all()
    assert set(np.unique(trace.invalid)) <= {0, 1}


def good_windows(windows):
    for run in windows.runs:
        values = run.concentration(0, run.n_frames)
        assert np.isfinite(values).all() and (values >= 0).all(), "concentration"
        for name in ("x", "y", "z", "time", "terrain", "u", "v"):
            found = getattr(run, name)
            assert found is None or np.isfinite(found).all(), name
        assert all(np.isfinite(part).all() for part in run.maps()), "maps"


def good_days(days):
    rain = days.rain(np.arange(len(days)))
    assert np.isfinite(rain).all() and (rain >= 0).all() and (rain <= MOST_RAIN).all(), "rain"
    assert np.isfinite(days.state(np.arange(len(days)))).all(), "state"
    assert np.isfinite(days.domain.distance_to_coast).all() and np.isfinite(days.land_mean).all()
    assert len(set(days.day)) == len(days)
    assert all(0 <= value <= MOST_RAIN for value in (days.thresholds or {}).values())


def good_pairs(pairs):
    rows = np.arange(len(pairs))
    seen = pairs.depth(rows)
    for name, values in pairs.sound(rows).items():
        assert np.isfinite(values).all(), name
    assert np.isfinite(seen).all() and (seen >= 0).all() and (seen <= ECHO.data.max_depth).all(), "depth"


def good_structures(structures):
    assert ((structures.spectra >= 0) & (structures.spectra <= 1)).all(), "spectra"
    assert set(np.unique(structures.patterns())) <= {0, 1}, "patterns"
    assert (np.diff(structures.wavelength, prepend=0.0) > 0).all(), "wavelength"


LOADERS = {
    "nand csv": (nand_table, ".csv", load_nand, NAND, good_trace),
    "nand parquet": (nand_table, ".parquet", load_nand, NAND, good_trace),
    "nand gzip": (nand_gzip, ".csv", load_nand, NAND, good_trace),
    "nand utf-16": (nand_utf16, ".tsv", load_nand, NAND, good_trace),
    "plume netcdf4": (plume_netcdf, ".nc", load_plume, PLUME, good_windows),
    "plume netcdf3": (plume_netcdf, ".nc3", load_plume, PLUME, good_windows),
    "plume npz": (plume_archive, ".npz", load_plume, CALM, good_windows),
    "plume postfile": (plume_postfile, ".pst", load_plume, CALM, good_windows),
    "plume discrete": (plume_discrete, ".txt", load_plume, POWER, good_windows),
    "plume turned": (plume_turned, ".nc", load_plume, PLUME, good_windows),
    "precip netcdf4": (precip_netcdf, "", load_precip, PRECIP, good_days),
    "precip era5": (precip_era5, "", load_precip, PRECIP, good_days),
    "precip zarr": (precip_zarr, "", load_precip, PRECIP, good_days),
    "precip npy": (precip_arrays, "", load_precip, PRECIP, good_days),
    "metasurface hdf5": (structures_hdf5, ".h5", load_metasurface, METASURFACE, good_structures),
    "metasurface matlab 7.3": (structures_reversed, ".mat", load_metasurface, METASURFACE, good_structures),
    "metasurface matlab 7": (structures_mat, ".mat", load_metasurface, METASURFACE, good_structures),
    "metasurface npy": (structures_pair, "", load_metasurface, METASURFACE, good_structures),
    "echo v2": (echo_v2, "", load_echo, ECHO, good_pairs),
    "echo v1": (echo_v1, "", load_echo, ECHO, good_pairs),
    "echo 48k": (echo_48k, "", load_echo, RESAMPLED, good_pairs),
    "echo int16": (echo_int16, "", load_echo, ECHO, good_pairs),
}


def fuzzed(name, tmp_path, count, seed):
    make, suffix, load, recipe, good = LOADERS[name]
    (tmp_path / "original").mkdir()
    original = make(tmp_path / "original", suffix)
    sizes, chosen = registry.sizes(recipe.task), {"data.group": getattr(recipe.data, "group", None)}

    def read(path):
        """As `read` and `fit` do: what the recipe takes from the files is measured first."""
        if sizes is not None:
            sizes(path, chosen)
        return load(path, recipe)

    good(read(original))
    return fuzz(read, original, tmp_path, count, seed, good)


@pytest.mark.parametrize("name", LOADERS)
def test_mutated_files_are_refused_in_a_line_or_hold_what_can_be(name, tmp_path):
    refused, faults = fuzzed(name, tmp_path, FAST, seed=1)
    assert not faults, "\n".join(faults)
    assert refused >= FAST // 5, "mutations that no loader minds prove nothing"


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", LOADERS)
def test_hundreds_of_mutated_files(name, tmp_path):
    refused, faults = fuzzed(name, tmp_path, SLOW, seed=2)
    record("mutations", name, faults, mutations=SLOW, refused=refused)


CELLS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.dates())
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """(a good table, where to write a bad one)."""
    folder = tmp_path_factory.mktemp("table")
    whole = pd.read_csv(nand_table(folder, ".csv"), dtype=str, keep_default_na=False)
    return whole.astype(object), folder / "cell.csv"


@settings(max_examples=60, deadline=None)
@given(row=st.integers(0, 700), column=st.sampled_from(COLUMNS), value=CELLS)
def test_any_value_in_any_cell_is_refused_in_a_line_or_can_be(table, row, column, value):
    frame, path = table[0].copy(), table[1]
    frame.loc[row % len(frame), column] = value
    frame.to_csv(path, index=False)
    _, fault = fault_of(lambda path: load_nand(path, NAND), path, good_trace)
    assert not fault, fault


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    """A folder of good days."""
    return precip_arrays(tmp_path_factory.mktemp("days"), "")


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(["split", "categories", "thresholds"]), said=JSON)
def test_any_json_is_refused_in_a_line_or_can_be(days, name, said):
    path = days / f"{name}.json"
    good = path.read_text()
    path.write_text(json.dumps(said))
    try:
        _, fault = fault_of(lambda _: load_precip(days, PRECIP), path, good_days)
    finally:
        path.write_text(good)
    assert not fault, fault


# -- what no mutation comes upon -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, text, said",
    [
        ("split.json", "[1]", "expected names"),
        ("split.json", '{"train": [[1], [2, 3]]}', "'train' is no list of day numbers"),
        ("categories.json", '{"heavy": 3}', "'heavy' is no list of day numbers"),
        ("thresholds.json", '{"P95": "much"}', "'P95' = 'much'; expected a number"),
        ("thresholds.json", '{"P95": NaN}', "'P95' = nan; expected a number"),
        ("split.json", "[" * 90_000, "cannot be read as JSON"),
    ],
)
def test_what_json_says_is_checked(tmp_path, name, text, said):
    folder = precip_arrays(tmp_path, "")
    (folder / name).write_text(text)
    with pytest.raises(UserError, match=rf"{name}: {said}"):
        load_precip(folder, PRECIP)


def npy_head(shape, dtype="<f4") -> bytes:
    """The head of an .npy file of this shape, with nothing behind it."""
    content = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(content, header)
    return content.getvalue()


def test_a_head_that_claims_more_than_there_is_takes_no_memory(tmp_path):
    for shape in ((10**12, 24), (2**62, 24), (-1, 24), (20, 24)):
        folder = echo_v2(tmp_path / f"{shape[0]}", "")
        (folder / "hall" / "depth" / "d0.npy").write_bytes(npy_head(shape))
        refused, fault = fault_of(lambda path: load_echo(path, ECHO), folder, good_pairs)
        assert refused and not fault, fault


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "run.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("terrain", "source_q", "source_h"):
            archive.writestr(f"{name}.npy", npy_head((4, 4)) + bytes(64))
        archive.writestr("conc.npy", npy_head((2**20, 4, 4, 1)) + bytes(2**26))
    assert path.stat().st_size < 1e5
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1e8))
    with pytest.raises(UserError, match=r"run\.npz: conc: 0\.0671 GB, more than half of the free memory"):
        load_plume(path, CALM)


def test_a_table_of_more_rows_than_memory_holds_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = nand_table(tmp_path, ".parquet")
    pd.read_parquet(path).iloc[np.zeros(100_000, int)].to_parquet(path)
    assert path.stat().st_size < 1e5
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1e7))
    with pytest.raises(UserError, match=r"table\.parquet: 100000 rows: 0\.0\d+ GB, more than half of the free memory"):
        load_nand(path, NAND)


def test_a_netcdf_that_claims_more_than_its_bytes_is_refused(tmp_path):
    path = plume_netcdf(tmp_path, ".nc")
    with h5py.File(path, "a") as file:
        file.create_dataset("huge", (2**40,), "f8", chunks=(2**20,))  # no chunk of it is written
    with pytest.raises(UserError, match=r"runs\.nc: huge: claims 8\.8e\+03 GB"):
        load_plume(path, PLUME)


def test_a_chunk_larger_than_its_array_never_comes_into_memory(tmp_path):
    """Chunks are read whole, however few of their values exist."""
    path = structures_hdf5(tmp_path, ".h5")
    with h5py.File(path, "a") as file:
        file.create_dataset("reflected", (4, 3), "f4", maxshape=(None, None), chunks=(2**14, 2**14), compression="gzip")
    with pytest.raises(UserError, match=r"structures\.h5: reflected: its chunks of 1\.07 GB are larger than itself"):
        load_metasurface(path, METASURFACE)
