"""A recipe takes from a user's data what the data says and nobody chose."""

import re
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import kmodels
from kmodels.core.spec.errors import UserError
from kmodels.read import main as read

SIMULATED = {
    "precip": {"data.grid.ny": 24, "data.grid.nx": 20, "data.grid.block": 2},
    "plume": {"data.grid.nx": 14, "data.grid.dx": 50.0, "data.frames": 30},
    "nand": {"data.seq_len": 20, "data.geometry.blocks": 3000},
    "metasurface": {"data.pixels": 64, "data.n_wavelengths": 11, "data.wavelength": (450.0, 650.0)},
}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """`simulated(name)`: a folder of data whose sizes are not the default recipe's."""
    made = {}

    def make(name):
        if name not in made:
            folder = tmp_path_factory.mktemp("sizes") / name
            made[name] = kmodels.simulate(name, folder, smoke=True, **SIMULATED[name])
        return made[name]

    return make


@pytest.mark.parametrize("name", SIMULATED)
@pytest.mark.parametrize("smoke", [[], ["--smoke"]])
def test_sizes_are_those_of_the_data_and_told_in_a_line(name, smoke, simulated, capsys):
    folder = simulated(name)
    read(["--model", name, "--data", str(folder), *smoke])
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("notice")]
    assert len(lines) == 1 and f"{folder}: taken from it:" in lines[0]
    for key, value in SIMULATED[name].items():
        if key != "data.geometry.blocks":  # of which a trace shows the largest that was used
            assert f"{key} {value}" in lines[0]


def test_a_geometry_is_enlarged_and_never_made_smaller(simulated, capsys):
    read(["--model", "nand", "--data", str(simulated("nand"))])
    (blocks,) = re.findall(r"data\.geometry\.blocks (\d+)", capsys.readouterr().err)
    assert 1000 < int(blocks) <= 3000
    folder = kmodels.simulate("nand", simulated("nand").parent / "few", smoke=True, **{"data.geometry.blocks": 50})
    read(["--model", "nand", "--data", str(folder)])
    assert "geometry" not in capsys.readouterr().err


def test_predictors_are_those_of_the_files_where_usual_ones_are_missing(simulated, tmp_path, capsys):
    shutil.copytree(simulated("precip"), tmp_path / "p")
    for file in (tmp_path / "p").glob("coarse*.nc"):
        with xr.open_dataset(file, engine="h5netcdf", decode_times=False) as found:
            data = found[["psl", "pr"]].rename(pr="tp").load()
        data.to_netcdf(file, engine="h5netcdf")
    assert kmodels.read("precip", tmp_path / "p").predictors == ("pr", "psl")
    assert "data.predictors ('pr', 'psl')" in capsys.readouterr().err
    assert kmodels.read("precip", tmp_path / "p", **{"data.predictors": ["psl"]}).predictors == ("psl",)


def test_in_python_too(simulated):
    records = kmodels.read("plume", simulated("plume"))
    assert records.shape[2] == 14


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("precip", {"data.grid.ny": 28}, r"(24, 20) cells; the recipe has (28, 20), data.grid.ny and data.grid.nx"),
        ("metasurface", {"data.pixels": 32}, "data.pixels = 32"),
        ("metasurface", {"data.height": 500.0}, "attribute height = 600.0; the recipe has data.height = 500.0"),
        ("nand", {"data.geometry.blocks": 100}, "outside the geometry: expected an integer in 0..99"),
        ("plume", {"data.past": 30}, r"past = 30 and horizon = 1 need more frames than frames = 30"),
    ],
)
def test_what_contradicts_the_data_is_named_with_it(name, words, message, simulated):
    with pytest.raises(UserError, match=re.escape(message)):
        kmodels.read(name, simulated(name), **words)


@pytest.mark.parametrize("column", ["sequence", "op", "block"])
def test_a_trace_without_a_column_is_refused_in_a_line(column, simulated, tmp_path):
    table = pd.read_parquet(simulated("nand") / "trace.parquet").drop(columns=column)
    table.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(UserError, match=f"no column {column}"):
        kmodels.read("nand", tmp_path / "t.csv")


def test_an_erase_counts_for_its_block_and_not_for_its_page(tmp_path):
    rows = ["a,0,erase,0,0,1500,65535", *(f"a,{k + 1},program,0,0,1500,{k}" for k in range(5))]
    (tmp_path / "t.csv").write_text("\n".join(["sequence,step,op,die,plane,block,page", *rows]))
    trace = kmodels.read("nand", tmp_path / "t.csv", labels=False)
    assert trace.block.max() == 1500 and trace.page.tolist() == [[-1, 0, 1, 2, 3, 4]]


@pytest.mark.parametrize("patterns", [3, np.zeros((4, 5), "uint8")])
def test_patterns_of_another_shape_are_refused_as_ever(patterns, tmp_path):
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["patterns"] = patterns
    with pytest.raises(UserError, match="patterns"):
        kmodels.read("metasurface", tmp_path / "s.h5", labels=False)
