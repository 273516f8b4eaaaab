"""CF NetCDF through xarray: written whole or not at all, opened lazily.

CF Metadata Conventions 1.11, https://cfconventions.org.
"""

from pathlib import Path

import xarray as xr

from kmodels.core.io import files, hdf5

CONVENTIONS = "CF-1.11"
MOST_OPEN = 8  # files, each of which takes most of a megabyte; xarray keeps 128 open


def save(path: str | Path, data: xr.Dataset, chunks: dict[str, tuple[int, ...]], fill: float | None = None) -> None:
    """Write a data set as NetCDF-4, whole or not at all.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.
    data : xarray.Dataset
        What to write, attributes included.
    chunks : dict of str to tuple of int
        The shape of a chunk, by name, of the variables to compress.
    fill : float, optional
        What stands for NaN in those; the others get no missing value, which coordinates must not have and xarray would
        make up.
    """
    encoding = {name: {"_FillValue": None} for name in data.variables}
    for name, shape in chunks.items():
        # Higher levels cost several times the processor time for a few percent of the size.
        encoding[name] = {"_FillValue": fill, "zlib": True, "complevel": 1, "shuffle": True, "chunksizes": shape}
    with hdf5.created(Path(path)) as file:
        data.dump_to_store(xr.backends.H5NetCDFStore(file), encoding=encoding)


def global_attributes(title: str, model: str) -> dict[str, str]:
    """Make the global attributes of a file that a model of this package writes.

    Parameters
    ----------
    title : str
        What the file holds.
    model : str
        Its name, as the registry has it.

    Returns
    -------
    dict of str to str
        `Conventions`, `title`, `source` and `history`.
    """
    return {
        "Conventions": CONVENTIONS,
        "title": title,
        "source": f"kmodels {model}",
        "history": "written by kmodels",
    }


def opened(path: Path) -> xr.Dataset:
    """Open a file with xarray; nothing is read, and times are numbers.

    NetCDF-4 goes through h5netcdf, NetCDF-3 through SciPy, a folder that ends in .zarr through zarr.

    Parameters
    ----------
    path : pathlib.Path
        The file or Zarr store.

    Returns
    -------
    xarray.Dataset
        Its variables, lazy.

    Raises
    ------
    UserError
        Where it cannot be read, takes values from other files, or claims more than its bytes can hold.
    """
    if path.suffix.lower() == ".zarr":
        kind, engine = "Zarr", "zarr"
    else:
        with path.open("rb") as file:
            kind, engine = "NetCDF", "scipy" if file.read(3) == b"CDF" else "h5netcdf"
    with files.reading(path, kind), few_open():
        if engine == "h5netcdf":
            hdf5.refuse_other_files(path)
        data = xr.open_dataset(path, engine=engine, cache=False, decode_times=False)
        _refuse_bombs(path, data)
        return data


def few_open(at_least: int = 0) -> xr.set_options:
    """Make a context in which xarray keeps few files open; the others open again when something is read of them.

    Parameters
    ----------
    at_least : int
        Files that are read in turn, none of which should be opened again and again.
    """
    return xr.set_options(file_cache_maxsize=max(MOST_OPEN, at_least))


def _refuse_bombs(path: Path, data: xr.Dataset) -> None:
    """Refuse variables that claim more than compression can have made of the file."""
    inside = path.rglob("*") if path.is_dir() else [path]
    size = sum(p.stat().st_size for p in inside if p.is_file())
    for name, variable in data.variables.items():
        hdf5.refuse_bomb(path, name, variable.nbytes, size)
