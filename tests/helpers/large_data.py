"""Data sets of any size, made quickly: a little is simulated, then repeated under other names."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

MB = 1_000_000
RUNS_A_FILE, DAYS_A_FILE, PAIRS_A_ROOM = 5, 1826, 5  # five years, as archives of climate models have them
LEVELS = tuple(f"level{k:02d}" for k in range(63))  # predictors of precip, as of a reanalysis with many levels
# Shapes of the data by default or larger, so that few examples make much data; networks as small as --smoke has them.
CHANGES = {
    "nand": {"data.seq_len": 50},
    "plume": {"train.batch_size": 16},
    "precip": {"data.predictors": ("pr", *LEVELS), "train.batch_size": 64, "model.members": 3},
    "metasurface": {},
    "echo": {"data.image_size": 128},
}


def recipe(name: str, **changes):
    """Make the recipe of a model whose data is here."""
    from kmodels.core.spec import registry

    nested: dict = {}
    for key, value in (CHANGES[name] | changes).items():
        section, *path = key.split(".")
        place = nested.setdefault(section, {})
        for part in path[:-1]:
            place = place.setdefault(part, {})
        place[path[-1]] = value
    return registry.recipe_type(name)().with_changes(nested)


def make(name: str, folder: Path, size: int) -> int:
    """Fill a folder with about `size` bytes of a model's data; returns how many the files hold."""
    folder.mkdir(parents=True, exist_ok=True)
    return {"nand": _nand, "plume": _plume, "precip": _precip, "metasurface": _metasurface, "echo": _echo}[name](
        folder, size
    )


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _nand(folder: Path, size: int) -> int:
    """Write one CSV of 400 sequences again and again: a shard each."""
    from kmodels.nand.simulator.sequences import joined, sample_pairs

    chosen = recipe("nand")
    first = folder / "trace-00000.csv"
    joined([sample_pairs(np.random.default_rng(0), 200, chosen.data)]).write(first)
    for k in range(1, max(3, size // first.stat().st_size)):
        shutil.copy(first, folder / f"trace-{k:05d}.csv")
    return _bytes(folder)


def _plume(folder: Path, size: int) -> int:
    """Write a few runs again and again, each time under other names."""
    from kmodels.core.io.netcdf import save
    from kmodels.plume.data import cf_writer
    from kmodels.plume.simulator import simulate_runs

    chosen = recipe("plume")
    runs = [simulate_runs.sample_run(np.random.default_rng(k), chosen.data, str(k)) for k in range(3)]
    count = max(2, size // (RUNS_A_FILE * runs[0].concentration.nbytes))
    for k in range(count):
        named = [replace(runs[j % 3], name=f"run-{k * RUNS_A_FILE + j}") for j in range(RUNS_A_FILE)]
        save(folder / f"plume-{k:05d}.nc", cf_writer.dataset(named), {})
    return count * RUNS_A_FILE * runs[0].concentration.nbytes


def _precip(folder: Path, size: int) -> int:
    """Write a month of days again and again, each time later."""
    from kmodels.precip.data import cf_writer
    from kmodels.precip.simulator import days

    chosen = recipe("precip", **{"data.n_days": 60})
    month = folder / "month"
    month.mkdir()
    days.simulate(chosen, month, lambda done, total: None)
    shutil.move(month / "static.nc", folder / "static.nc")
    import xarray as xr

    with xr.open_dataset(month / "fine-00000.nc") as data:
        rain = (data["pr"].to_numpy() * 86400.0).astype("float32")
    coarse = xr.open_dataset(month / "coarse-00000.nc", decode_times=False).load()
    coarse.close()
    (some,) = [v for name, v in coarse.data_vars.items() if v.ndim == 3 and name != "pr"][:1]
    coarse = coarse[["pr", "time_bnds"]].assign(
        {name: some * np.float32(1 + 0.01 * k) for k, name in enumerate(LEVELS)}
    )
    per_day = rain[0].nbytes + sum(v.nbytes // v.shape[0] for v in coarse.data_vars.values() if v.ndim == 3)
    axes = cf_writer.simulated_axes(chosen.data.grid, 1)
    n_days = size // per_day
    for first in range(0, n_days, DAYS_A_FILE):
        index = np.resize(np.arange(len(rain)), min(DAYS_A_FILE, n_days - first))
        cf_writer.write_fine(folder / f"fine-{first:05d}.nc", first, rain[index], axes)
        _later(coarse.isel(time=index), first).to_netcdf(folder / f"coarse-{first:05d}.nc")
    shutil.rmtree(month)
    return n_days * per_day


def _later(coarse, first: int):
    """Date days of a coarse data set anew, so many days after the epoch."""
    numbers = first + np.arange(coarse.sizes["time"])
    coarse = coarse.copy()
    coarse["time"] = ("time", numbers + 0.5, coarse["time"].attrs)
    coarse["time_bnds"] = (coarse["time_bnds"].dims, np.stack([numbers, numbers + 1.0], axis=1))
    return coarse


def _metasurface(folder: Path, size: int) -> int:
    """Write a few dozen structures again and again into one file."""
    import h5py

    from kmodels.metasurface.simulator import structures

    chosen = recipe("metasurface", **{"data.n_structures": 40})
    structures.simulate(chosen, folder, lambda done, total: None)
    (first,) = folder.glob("*.h5")
    with h5py.File(first) as given, h5py.File(folder / "large.h5", "w") as made:
        made.attrs.update({key: value for key, value in given.attrs.items() if not key.startswith("_")})
        made["wavelength"] = given["wavelength"][:]
        made["wavelength"].attrs["units"] = "nm"
        patterns, spectra = given["patterns"][:], given["spectra"][:]
        times = max(4, size // (patterns.nbytes + spectra.nbytes))
        for name, values in (("patterns", patterns), ("spectra", spectra)):
            whole = made.create_dataset(name, (times * len(values), *values.shape[1:]), values.dtype)
            for k in range(times):
                whole[k * len(values) : (k + 1) * len(values)] = values
    first.unlink()
    return _bytes(folder)


def _echo(folder: Path, size: int) -> int:
    """Name a few pairs of files in the CSVs of many rooms; returns the bytes of the arrays made of them."""
    from kmodels.echo.data.batvision import write_pair, write_tables
    from kmodels.echo.simulator.impulse_response import radiosity_exchange
    from kmodels.echo.simulator.recordings import simulate_pair
    from kmodels.echo.simulator.room import sample_room

    chosen, rng = recipe("echo"), np.random.default_rng(0)
    room = sample_room(rng, chosen.data)
    exchange = radiosity_exchange(room)
    rows = [
        write_pair(folder, "shared", k, *simulate_pair(rng, room, exchange, chosen.data)) for k in range(PAIRS_A_ROOM)
    ]
    side = chosen.data.image_size
    per_pair = 4 * (side * side * chosen.model.moments * 2 + side * side)
    rooms = max(8, size // (PAIRS_A_ROOM * per_pair))
    for k in range(rooms):
        name = f"room-{k:05d}"
        (folder / name).mkdir()
        write_tables(folder, name, "train", rows)
    return rooms * PAIRS_A_ROOM * per_pair
