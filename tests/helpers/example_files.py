"""The files that the examples' users bring: `python tests/helpers/example_files.py` makes them anew."""

import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = ["sequence", "step", "op", "die", "plane", "block", "page"]


def write_trace(path: Path) -> None:
    """60 test cases of nand's simulator, 12 of them illegal, without labels, as a tester logs them."""
    from kmodels.nand.recipe import NandRecipe
    from kmodels.nand.simulator.sequences import sample_pairs

    rng = np.random.default_rng(20261128)
    pairs = sample_pairs(rng, 60, NandRecipe().data)
    illegal = rng.permutation(60)[:12]
    legal = np.setdiff1d(np.arange(60), illegal)
    rows = np.concatenate([np.flatnonzero(pairs.invalid)[illegal], np.flatnonzero(~pairs.invalid)[legal]])
    chosen = pairs.take(rng.permutation(rows))
    table = chosen.frame()[COLUMNS]
    names = dict(zip(chosen.name, (f"TC{k:03d}" for k in range(60)), strict=True))
    table["sequence"] = table["sequence"].map(names)
    table.to_csv(path, index=False)


def write_patterns(path: Path) -> None:
    """Four patterns as a designer would draw them, one period of 1 um, 1 silicon nitride."""
    import h5py

    y, x = (np.mgrid[:128, :128] + 0.5) / 128  # [periods]

    def disc(centre_y, centre_x, radius):
        off_y, off_x = ((a - c + 0.5) % 1 - 0.5 for a, c in ((y, centre_y), (x, centre_x)))
        return off_y**2 + off_x**2 < radius**2

    patterns = {
        "one disc over each pixel": sum(disc(a, b, 0.14) for a in (0.25, 0.75) for b in (0.25, 0.75)),
        "a disc over red, a ring over blue": disc(0.25, 0.25, 0.2) | (disc(0.75, 0.75, 0.22) & ~disc(0.75, 0.75, 0.1)),
        "stripes": (x * 2) % 1 < 0.5,
        "a bar over each green": (abs(y - 0.25) < 0.08) & (x > 0.4) | (abs(x - 0.25) < 0.08) & (y > 0.4),
    }
    with h5py.File(path, "w") as file:
        stacked = np.stack([np.asarray(pattern, bool) for pattern in patterns.values()]).astype("uint8")
        file.create_dataset("patterns", data=stacked, compression="gzip", track_times=False)
        file.attrs["pixel_order"] = "RGGB"
        file.attrs["names"] = list(patterns)


def write_cloud(path: Path) -> None:
    """One run of plume's simulator, as a release exercise is recorded: 36 minutes on a grid of 12 x 12 x 6 cells."""
    import tempfile

    import xarray as xr

    import kmodels

    with tempfile.TemporaryDirectory() as folder:
        sizes = {"data.n_runs": 6}
        (file,) = kmodels.simulate("plume", out=Path(folder, "clouds"), seed=77, smoke=True, **sizes).glob("*.nc")
        with xr.open_dataset(file, decode_times=False) as data:
            one = data.isel(run=[3], stack=np.flatnonzero(data["stack_run"] == 3)).load()
    one["stack_run"][:] = 0
    one.to_netcdf(path, engine="h5netcdf", encoding={name: {"zlib": True} for name in one.data_vars})


def write_days(folder: Path) -> None:
    """A January on the land of precip's preset, a year after the days that the network was trained and judged on."""
    import tempfile

    import xarray as xr

    import kmodels
    from kmodels import presets
    from kmodels.precip.recipe import PrecipRecipe

    seed, january = presets.card("precip")["trained"]["seed"], slice("2014-01-01", "2014-01-30")
    known = PrecipRecipe().data.n_days  # the next ones are those that a longer simulation goes on with
    with tempfile.TemporaryDirectory() as made:
        kmodels.simulate("precip", out=made, seed=seed, **{"data.n_days": known + 400})
        for kind in ("fine", "coarse"):
            with xr.open_mfdataset(f"{made}/{kind}-*.nc") as data:
                chosen = data.sel(time=january).load()
            encoding = {name: {"zlib": True, "chunksizes": None} for name in chosen.data_vars}
            chosen.to_netcdf(folder / f"{kind}.nc", engine="h5netcdf", encoding=encoding)
        (folder / "static.nc").write_bytes(Path(made, "static.nc").read_bytes())


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    write_trace(ROOT / "examples" / "nand" / "trace.csv")
    write_patterns(ROOT / "examples" / "metasurface" / "patterns.h5")
    write_cloud(ROOT / "examples" / "plume" / "cloud.nc")
    write_days(ROOT / "examples" / "precip" / "days")
