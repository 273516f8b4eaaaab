"""What operating systems and file systems differ in."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import portalocker
import pytest

from kmodels.core.io import files, system
from kmodels.core.runs import cache

TABLE = pd.DataFrame({"a": [1, 2]})


def run(code: str, **environment) -> str:
    """What a fresh process prints that runs this code; a variable that is None is unset."""
    env = {name: value for name, value in (os.environ | environment).items() if value is not None}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_file_system_without_locks_is_told_once_and_used(tmp_path, monkeypatch, capsys):
    def lock(file, flags):
        raise portalocker.LockException(OSError(errno.ENOLCK, "No locks available"), "No locks available")

    monkeypatch.setattr(portalocker, "lock", lock)
    for _ in range(2):
        with files.file_lock(tmp_path / "sub" / ".lock") as alone:
            assert alone
    said = capsys.readouterr().err
    assert said.count("notice: ") == 1 and str(tmp_path / "sub") in said and "two processes" in said


def test_what_else_goes_wrong_with_a_lock_is_raised(tmp_path, monkeypatch):
    def lock(file, flags):
        raise portalocker.LockException(OSError(errno.EIO, "Input/output error"), "Input/output error")

    monkeypatch.setattr(portalocker, "lock", lock)
    with pytest.raises(OSError, match="Input/output"), files.file_lock(tmp_path / ".lock"):
        pass


@pytest.mark.parametrize(("number", "passes"), [(errno.EINVAL, True), (errno.EIO, False)])
def test_a_file_system_that_does_not_know_how_to_flush(tmp_path, monkeypatch, number, passes):
    def fsync(file):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    if passes:
        files.write_text(tmp_path / "a.txt", "whole")
        assert (tmp_path / "a.txt").read_text() == "whole"
    else:
        with pytest.raises(OSError, match="Input/output"):
            files.write_text(tmp_path / "a.txt", "whole")


@pytest.mark.parametrize(("mask", "mode"), [(0o077, 0o600), (0o002, 0o664), (0o022, 0o644)])
def test_files_have_the_permissions_that_the_user_chose(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        files.write_text(tmp_path / "a.txt", "")
        files.write_table(tmp_path / "a.parquet", TABLE)
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in sorted(tmp_path.iterdir())] == [mode, mode]


def test_a_symbolic_link_stays_one(tmp_path):
    (tmp_path / "link.csv").symlink_to(tmp_path / "there.csv")
    files.write_table(tmp_path / "link.csv", TABLE)
    assert (tmp_path / "link.csv").is_symlink() and (tmp_path / "there.csv").read_text().startswith("a\n")


@pytest.mark.parametrize("suffix", [".csv", ".CSV", ".parquet", ".PARQUET"])
def test_a_name_as_long_as_names_may_be(tmp_path, suffix):
    path = tmp_path / ("n" * (251 - len(suffix)) + suffix)
    files.write_table(path, TABLE)
    read = pd.read_parquet if suffix.lower() == ".parquet" else pd.read_csv
    assert read(path).equals(TABLE) and list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
@pytest.mark.parametrize("suffix", [b".csv", b".parquet"])
def test_a_folder_whose_name_is_no_utf_8(tmp_path, suffix):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    files.write_table(folder / os.fsdecode(b"t" + suffix), TABLE)
    assert len(list(folder.iterdir())) == 1


ASCII = """
import sys
import time
from pathlib import Path
import numpy as np, pandas as pd, soundfile
from kmodels.core.cli import console
from kmodels.core.io import files, hdf5
from kmodels.echo.data.load import load as load_echo
from kmodels.echo.recipe import EchoRecipe
from kmodels.metasurface.data import hdf5 as structures
from kmodels.nand.data.load import load as load_nand
from kmodels.nand.recipe import NandRecipe
from kmodels.nand.simulator.sequences import sample_pairs
folder = Path(sys.argv[1])
nand = NandRecipe().with_changes({"data": {"n_sequences": 40, "seq_len": 20}})
sample_pairs(np.random.default_rng(0), 20, nand.data).write(folder / "trace.parquet")
assert len(load_nand(folder, nand)) == 40
with console.logging_to(folder / "log.txt"):
    console.say(str(folder))
files.write_text(folder / "page.html", str(folder))
files.write_table(folder / "t.csv", pd.DataFrame({"a": np.array([str(folder)], object)}, dtype=object))
structures.write(folder / "s.h5", np.eye(8, dtype=int)[None], np.full((1, 2, 2, 1), 0.1), [500.0], {"period": 1.0})
hdf5.refuse_crashing([folder / "s.h5"])
room = folder / "rooms" / os.fsdecode("k\\u00fcche".encode())
room.mkdir(parents=True)
sound = np.random.default_rng(0).uniform(-0.1, 0.1, (518, 2))
with (room / "a.wav").open("wb") as file:
    soundfile.write(file, sound, 44_100, format="WAV")
np.save(room / "d.npy", np.full((20, 20), 900))
names = "depth path,depth file name,audio path,audio file name\\n"
(room / "train.csv").write_bytes((names + "k\\u00fcche,d.npy,k\\u00fcche,a.wav\\n").encode())
pairs = load_echo(folder / "rooms", EchoRecipe().with_changes({"data": {"image_size": 16, "max_depth": 2.0}}))
from kmodels.core.io.system import text_of
print(ascii(text_of(pairs.names[0])))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
def test_a_locale_of_ascii_and_names_that_are_not(tmp_path):
    folder = os.fsencode(tmp_path) + "/caf\u00e9".encode()
    os.mkdir(folder)  # noqa: PTH102
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii:backslashreplace"}
    words = [sys.executable, "-c", "import os" + ASCII, folder]
    done = subprocess.run(words, capture_output=True, text=True, env=os.environ | plain)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == r"'k\xfcche/a.wav'" and "Traceback" not in done.stderr


def test_names_of_files_as_text():
    assert system.text_of("hall/a.wav") == "hall/a.wav" and system.name_of("k\u00fcche") == "k\u00fcche"
    assert system.text_of(os.fsdecode(b"caf\xe9")) == "caf\\xe9"


NOBODY = """
import os, pwd
def unknown(uid):
    raise KeyError(uid)
pwd.getpwuid = unknown
import kmodels
from kmodels.core.runs import cache
print(os.environ["HOME"], cache.root(), os.environ["NUMBA_CACHE_DIR"])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="users without a name")
def test_a_user_without_a_name_and_a_home(tmp_path):
    variables = {"HOME": None, "KMODELS_CACHE": None, "NUMBA_CACHE_DIR": None, "TMPDIR": str(tmp_path)}
    places = run(NOBODY, **variables).split()
    assert len(places) == 3 and all(place.startswith(str(tmp_path / "kmodels-")) for place in places)


def test_a_home_that_may_not_be_written(tmp_path, monkeypatch):
    monkeypatch.delenv("KMODELS_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.root() == tmp_path / ".cache" / "kmodels"
    monkeypatch.setattr(system, "is_writable", lambda folder: False)
    assert cache.root() == system.spare_folder()


OTHER_SYSTEM = """
import os, sys
import portalocker, psutil, joblib, multiprocessing.util, subprocess  # these know their systems
for name in ("fcntl", "resource"):
    sys.modules[name] = None
for name in ("sched_getaffinity", "getuid", "getpgid"):
    delattr(os, name)
del psutil.Process.cpu_affinity
info = psutil.Process.memory_info
psutil.Process.memory_info = lambda self: type("Info", (), {"peak_wset": info(self).rss, "rss": info(self).rss})()
import pkgutil, importlib, kmodels.core
from pathlib import Path
for found in pkgutil.walk_packages(kmodels.core.__path__, "kmodels.core."):
    importlib.import_module(found.name)
from kmodels.core.io import files, system
from kmodels.core.runs import provenance
folder = Path(sys.argv[1])
with files.file_lock(folder / "lock") as alone:
    files.write_json(folder / "a.json", {"alone": alone})
print(len(system.cores()) > 0, provenance.peak_memory_gb() > 0.01, files.sha256(folder / "a.json")[:0] == "", alone)
from kmodels.__main__ import main
sys.exit(main(["simulate", "--model", "plume", "--smoke", "--out", str(folder / "made")]))
"""


def test_the_core_runs_without_what_only_posix_has(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", OTHER_SYSTEM, str(tmp_path)], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("True True True True") and any((tmp_path / "made").iterdir())


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="owners of files are known otherwise")
def test_a_folder_that_others_may_write_is_not_private(tmp_path):
    mine = system.private_folder(tmp_path / "a" / "b")
    assert mine.is_dir() and system.private_folder(mine) == mine
    mine.chmod(0o777)
    assert system.private_folder(mine) is None
    (tmp_path / "file").write_text("")
    assert system.private_folder(tmp_path / "file" / "b") is None


def test_a_folder_is_trimmed_by_size_and_age(tmp_path):
    (tmp_path / "sub").mkdir()
    now = time.time()
    for name, days in (("a", 0), ("sub/b", 1), ("c", 2), ("sub/d", 40)):
        (tmp_path / name).write_bytes(b"x" * 10)
        os.utime(tmp_path / name, (now - 86400 * days,) * 2)
    system.trim(tmp_path, 1000, 30.0)
    assert {path.name for path in tmp_path.rglob("?")} == {"a", "b", "c"}
    system.trim(tmp_path, 25, 30.0)
    assert {path.name for path in tmp_path.rglob("?")} == {"a", "b"}
    system.trim(tmp_path / "none", 25, 30.0)


def test_the_processor_is_the_same_each_time():
    assert system.processor() == system.processor() and system.processor().strip()
