"""Simulated data is made once, noticed when damaged, and safe for processes that run at once."""

import os
import sys
import threading
import time
from pathlib import Path

import pytest
from helpers.checks import run_python

import kmodels
from kmodels.core.io import files
from kmodels.core.runs import cache
from kmodels.core.spec.errors import Lost, UserError
from kmodels.nand.data import load as nand_load
from kmodels.nand.recipe import NandRecipe


class Simulator:
    """A Task as far as the cache looks at it, counting how often it simulates."""

    name, simulation = "counted", 1

    def __init__(self, hold=None):
        self.calls, self.hold = 0, hold

    def simulate(self, recipe, folder, report):
        self.calls += 1
        if self.hold:
            self.hold.wait()
        (folder / "data.txt").write_text("x" * 100)


def made(task, recipe=None, say=lambda text: None):
    return cache.get_or_simulate(task, recipe or NandRecipe(), lambda done, total: None, say)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KMODELS_CACHE", str(tmp_path / "cache"))


def test_made_once_for_each_recipe():
    task = Simulator()
    first = made(task)
    assert made(task) == first and task.calls == 1
    training_only = NandRecipe().with_changes({"train": {"epochs": 99}})
    assert made(task, training_only) == first and task.calls == 1
    assert made(task, NandRecipe(seed=1)) != first and task.calls == 2
    task.simulation = 2
    assert made(task) != first


def test_cut_short_is_noticed_and_made_again():
    task, said = Simulator(), []
    folder = made(task)
    (folder / "data.txt").write_text("x" * 50)
    assert made(task, say=said.append) == folder
    assert (folder / "data.txt").read_text() == "x" * 100 and task.calls == 2
    assert "made again" in said[0]
    (folder / cache.MANIFEST).unlink()
    made(task)
    assert task.calls == 3


def test_a_simulation_that_fails_leaves_nothing(tmp_path):
    class Failing(Simulator):
        def simulate(self, recipe, folder, report):
            (folder / "half.txt").write_text("half")
            raise UserError("no room")

    with pytest.raises(UserError):
        made(Failing())
    assert list((tmp_path / "cache" / "counted").iterdir()) == []


class Stopped(Simulator):
    """A Task that writes two files, each in a folder, and is interrupted before the second once."""

    by = KeyboardInterrupt

    def simulate(self, recipe, folder, report):
        self.calls += 1
        for name in ("a", "b"):
            if name == "b" and self.calls == 1:
                raise self.by
            if not (folder / name).exists():
                (folder / name).mkdir()
                (folder / name / "data.txt").write_text(f"{self.calls}")


def test_a_cache_that_cannot_be_written_says_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("KMODELS_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(UserError, match=r"^Not a directory: .*file.*; KMODELS_CACHE names another folder"):
        cache.make(cache.root() / "nand" / "some", lambda aside: None)
    monkeypatch.setenv("KMODELS_CACHE", str(tmp_path / "cache"))
    with pytest.raises(FileNotFoundError, match="mine"):  # a user's file, which no other cache brings back
        cache.make(cache.root() / "nand" / "some", lambda aside: (tmp_path / "mine").read_bytes())
    with pytest.raises(FileExistsError):  # where `simulate --out` writes is no cache
        cache.make(tmp_path / "file" / "out", lambda aside: None)


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
def test_a_name_that_parquet_does_not_take_is_refused_in_a_line(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    with pytest.raises(UserError, match="this name is no UTF-8, and Parquet's library takes no other"):
        kmodels.simulate("nand", folder, smoke=True)
    assert not folder.exists()


@pytest.mark.parametrize("by", [KeyboardInterrupt, Lost])
def test_an_interrupted_simulation_is_given_what_it_left(by):
    task = Stopped()
    task.by = by
    with pytest.raises(by):
        made(task)
    made(task, NandRecipe(seed=1))  # another recipe starts anew
    folder = made(task)
    assert [(folder / name / "data.txt").read_text() for name in ("a", "b")] == ["1", "3"]
    assert sum(path.name.startswith(".") for path in folder.parent.iterdir()) == 0


def test_a_killed_simulation_is_continued_a_running_one_is_not(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from kmodels.core.runs import cache;"
        "cache.make(Path(sys.argv[1]), lambda aside: ((aside / 'a').write_text('old'), os._exit(9)))"
    )
    run_python("-c", code, tmp_path / "data", check=9)
    held, found = threading.Event(), []

    def hold(aside):
        found.append((aside / "a").exists())
        held.wait(20)

    first = threading.Thread(target=lambda: cache.make(tmp_path / "data", hold))
    first.start()
    while not found:
        time.sleep(0.01)
    cache.make(tmp_path / "data", lambda aside: found.append((aside / "a").exists()))
    held.set()
    first.join()
    assert found == [True, False]


def test_a_file_in_a_folder_cut_short_is_noticed():
    task = Stopped()
    task.calls = 1
    folder = made(task)
    assert cache.is_complete(folder)
    (folder / "a" / "data.txt").write_text("")
    assert not cache.is_complete(folder)


def test_two_at_once_do_not_harm_each_other():
    both = Simulator(hold=threading.Barrier(2))
    found = []
    threads = [threading.Thread(target=lambda: found.append(made(both))) for _ in range(2)]
    [t.start() for t in threads]
    [t.join(20) for t in threads]
    assert both.calls == 2 and found[0] == found[1]
    assert cache.is_complete(found[0])
    assert [p.name for p in found[0].parent.iterdir()] == [found[0].name]


def test_files_are_whole_or_not_there(tmp_path):
    path = tmp_path / "a.txt"
    files.write_text(path, "old")

    def fails():
        with files.atomic_write(path) as aside:
            aside.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(path, float("nan"))
    assert path.read_text() == "old"


def test_files_of_a_folder_or_of_the_folders_in_it(tmp_path):
    for name in ("one/a.csv", "two/b.csv", "two/.hidden.csv", ".aside/c.csv", "two/deep/d.csv", "two/e.txt"):
        files.write_text(tmp_path / name, "")
    assert cache.data_files(tmp_path, (".csv",)) == [tmp_path / "one" / "a.csv", tmp_path / "two" / "b.csv"]
    files.write_text(tmp_path / "top.csv", "")
    assert cache.data_files(tmp_path, (".csv",)) == [tmp_path / "top.csv"]


def test_no_data_in_a_folder(tmp_path):
    with pytest.raises(UserError, match=r"no file here ends in \.csv"):
        cache.data_files(tmp_path, nand_load.SUFFIXES)
