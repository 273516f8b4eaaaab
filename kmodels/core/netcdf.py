"""CF NetCDF through xarray: written whole or not at all, opened lazily, refused by file, variable, index and rule.

CF Metadata Conventions 1.11, https://cfconventions.org.
"""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import xarray as xr

from kmodels.core import files
from kmodels.core.errors import UserError

CONVENTIONS = "CF-1.11"
MOST_COMPRESSED = 1100  # times; deflate reaches 1032


def save(path: str | Path, data: xr.Dataset, chunks: dict[str, tuple[int, ...]], fill: float | None = None) -> None:
    """Write a data set, whole or not at all.

    chunks: the shape of a chunk, by name, of the variables to compress. fill: what stands for NaN in those; the
    others get no missing value, which coordinates must not have and xarray would make up.
    """
    encoding = {name: {"_FillValue": None} for name in data.variables}
    for name, shape in chunks.items():
        # Higher levels cost several times the processor time for a few percent of the size.
        encoding[name] = {"_FillValue": fill, "zlib": True, "complevel": 1, "shuffle": True, "chunksizes": shape}
    with files.replacing(Path(path)) as aside:
        data.to_netcdf(aside, engine="h5netcdf", format="NETCDF4", encoding=encoding)


def global_attributes(title: str, model: str) -> dict[str, str]:
    """The global attributes of a file that a model of this package writes."""
    return {
        "Conventions": CONVENTIONS,
        "title": title,
        "source": f"kmodels {model}",
        "history": "written by kmodels",
    }


def opened(path: Path) -> xr.Dataset:
    """A file as xarray sees it, nothing read, times as numbers; raises UserError where it cannot be read.

    NetCDF-4 goes through h5netcdf, NetCDF-3 through SciPy, a folder that ends in .zarr through zarr.
    """
    if path.suffix.lower() == ".zarr":
        kind, engine = "Zarr", "zarr"
    else:
        with path.open("rb") as file:
            kind, engine = "NetCDF", "scipy" if file.read(3) == b"CDF" else "h5netcdf"
    with files.reading(path, kind):
        if engine == "h5netcdf":
            _refuse_other_files(path)
        data = xr.open_dataset(path, engine=engine, cache=False, decode_times=False)
        _refuse_bombs(path, data)
        return data


# Reads all that describes a file, and its variables' first and last values. An error is no crash: who reads the file
# will tell it.
PROBE = """
import signal, sys, h5py
def tried(look, *args):
    try:
        return look(*args)
    except Exception:
        return None
def of_variable(item):
    for name in tried(list, item.attrs) or ():
        tried(item.attrs.get, name)
    tried(lambda: item.id.get_num_chunks())
    for part in (0, -1, ()) if item.size < 1e6 else (0, -1):
        tried(lambda: item[part])
def of_file(path):
    with h5py.File(path) as file:
        for name in tried(list, file) or ():
            tried(lambda: file.get(name, getlink=True))
            tried(lambda: of_variable(file[name]))
        tried(lambda: file.visititems(lambda name, item: None))
        tried(lambda: dict(file.attrs))
for path in sys.stdin.read().split("\\0"):
    print(path, flush=True)
    signal.setitimer(signal.ITIMER_PROF, 10)  # processor seconds for a file, then it dies
    tried(of_file, path)
"""


def refuse_crashing(paths: list[Path]) -> None:
    """Refuse files on which the HDF5 library itself crashes, or turns in circles, as a flipped bit can make it do.

    Told by a process that may die of it.
    """
    hdf5 = [str(path) for path in paths if path.is_file() and h5py.is_hdf5(path)]
    if not hdf5:
        return
    command = [sys.executable, "-P", "-c", PROBE]
    done = subprocess.run(command, input="\0".join(hdf5), capture_output=True, text=True)
    if done.returncode < 0:
        path = done.stdout.splitlines()[-1]
        raise UserError(f"{path}: cannot be read as NetCDF: it is damaged, and the HDF5 library crashes on it")


def _refuse_other_files(path: Path) -> None:
    """Refuse HDF5 that takes its values from elsewhere: whoever sends a file has no say in which others are read."""
    with h5py.File(path, "r") as file:
        for name in file:
            link = file.get(name, getlink=True)
            dataset = None if isinstance(link, h5py.ExternalLink) else file[name]
            if dataset is None or (isinstance(dataset, h5py.Dataset) and (dataset.external or dataset.is_virtual)):
                raise UserError(f"{path}: {name}: lies in another file; bring the values in this one")


def _refuse_bombs(path: Path, data: xr.Dataset) -> None:
    """Refuse variables that claim more than compression can have made of the file."""
    inside = path.rglob("*") if path.is_dir() else [path]
    size = sum(p.stat().st_size for p in inside if p.is_file())
    for name, variable in data.variables.items():
        if variable.nbytes > MOST_COMPRESSED * size:
            raise UserError(
                f"{path}: {name}: claims {variable.nbytes / 1e9:.3g} GB, more than a file of {size} bytes can hold"
            )


def refuse_values(path: Path, name: str, bad: np.ndarray, values: np.ndarray, dims, rule: str, first=0, **fixed):
    """Raise for the first element of the mask `bad`, if there is one.

    dims: of the mask, whose first index counts from `first`. fixed: indices in dimensions that it has not.
    """
    if bad.any():
        at = np.unravel_index(int(np.argmax(bad)), bad.shape)
        places = {**fixed, **dict(zip(dims, (at[0] + first, *at[1:]), strict=True))}
        index = ", ".join(f"{dim}={place}" for dim, place in places.items())
        raise UserError(f"{path}: {name}[{index}] = {values[at]:g}; {rule}")
