"""HDF5, NetCDF-4 among it: ours is made; that of others is refused where it crashes, looks elsewhere or is a bomb."""

import contextlib
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import h5netcdf
import h5py
from h5py import h5f, h5p

from kmodels.core.io import files
from kmodels.core.spec.errors import UserError

MOST_COMPRESSED = 1100  # times; deflate reaches 1032
LARGEST_CHUNK = 2**26  # bytes, where the array itself is smaller: a chunk comes into memory whole

# Reads all that describes a file, and its variables' first and last values. An error is no crash: who reads the file
# will tell it.
PROBE = """
import os, sys, h5py
def tried(look, *args):
    try:
        return look(*args)
    except Exception:
        return None
def limit():  # not every system can
    import resource
    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    if most == resource.RLIM_INFINITY or most > 2**32:
        resource.setrlimit(resource.RLIMIT_AS, (2**32, most))
def end_in(seconds):  # of the processor; then it dies
    import signal
    signal.setitimer(signal.ITIMER_PROF, seconds)
tried(limit)
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
for path in sys.stdin.buffer.read().split(b"\\0"):  # bytes: a name may have any
    os.write(1, path + b"\\n")
    tried(end_in, 10)
    tried(of_file, path)
"""


@contextlib.contextmanager
def created(path: Path) -> Iterator[h5netcdf.File]:
    """Create a NetCDF-4 file. The same content is the same bytes: it does not hold the time of day.

    It is made in memory and written, whole or not at all, as it ends: on a full disk the HDF5 library ends the process,
    without a word.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Yields
    ------
    h5netcdf.File
        The file, open for writing.
    """
    root, in_memory = h5p.create(h5p.FILE_CREATE), h5p.create(h5p.FILE_ACCESS)
    root.set_obj_track_times(False)
    for keep_order in (root.set_link_creation_order, root.set_attr_creation_order):  # as NetCDF-4 asks
        keep_order(h5p.CRT_ORDER_TRACKED | h5p.CRT_ORDER_INDEXED)
    in_memory.set_fapl_core(backing_store=False)
    made = h5f.create(os.fsencode(path), h5f.ACC_TRUNC, fcpl=root, fapl=in_memory)
    with h5py.File(made) as file:
        with h5netcdf.File(file, "w") as opened:
            yield opened
        file.flush()
        files.write_bytes(path, made.get_file_image())


def refuse_crashing(paths: list[Path]) -> None:
    """Refuse files that crash the HDF5 library or have chunks that would fill the memory.

    A flipped bit can make the library crash or turn in circles: a process that may die of it tries first.

    Parameters
    ----------
    paths : list of pathlib.Path
        Files of any format; those that are not HDF5 are left out.

    Raises
    ------
    UserError
        For the first such file.
    """
    hdf5 = [str(path) for path in paths if path.is_file() and h5py.is_hdf5(path)]
    if not hdf5:
        return
    command = [sys.executable, "-P", "-c", PROBE]
    one_thread = os.environ | {"OPENBLAS_NUM_THREADS": "1"}  # each takes memory, of which the process has little
    done = subprocess.run(command, input=b"\0".join(map(os.fsencode, hdf5)), capture_output=True, env=one_thread)
    if done.returncode < 0:
        path = os.fsdecode(done.stdout.splitlines()[-1])
        raise UserError(f"{path}: cannot be read as HDF5: it is damaged, and the HDF5 library crashes on it")
    for path in hdf5:
        _refuse_giant_chunks(path)


def _refuse_giant_chunks(path: str) -> None:
    """Refuse a file with a chunk that is larger than its array, and large; nothing of it is read."""
    giant = {}

    def look(name, item):
        if isinstance(item, h5py.Dataset) and item.chunks is not None:
            size = item.id.get_type().get_size()
            claimed, whole = (math.prod(shape) * size for shape in (item.chunks, item.shape))
            if claimed > max(LARGEST_CHUNK, whole):
                giant[name] = claimed

    # What h5py raises about damage: who reads the file will tell it.
    with contextlib.suppress(OSError, RuntimeError, KeyError, ValueError), h5py.File(path, "r") as file:
        file.visititems(look)
    for name, claimed in giant.items():
        raise UserError(f"{path}: {name}: its chunks of {claimed / 1e9:.3g} GB are larger than itself")


def refuse_other_files(path: Path) -> None:
    """Refuse HDF5 that takes its values from elsewhere: whoever sends a file has no say in which others are read."""
    with h5py.File(path, "r") as file:
        for name in file:
            if is_external(file, name):
                raise UserError(f"{path}: {name}: lies in another file; bring the values in this one")


def is_external(file: h5py.File, name: str) -> bool:
    """Tell whether what a name in an open file stands for, or a part of its values, lies in another file.

    Parameters
    ----------
    file : h5py.File
        Open for reading.
    name : str
        Of a data set or a group in it.
    """
    if isinstance(file.get(name, getlink=True), h5py.ExternalLink):
        return True
    item = file.get(name)  # through soft links, which may lead to external ones; None where they lead nowhere
    if item is None:
        return False
    values = isinstance(item, h5py.Dataset) and (item.external or item.is_virtual)
    return bool(values) or item.file.filename != file.filename


def refuse_bomb(path: Path, name: str, claimed: int, size: int) -> None:
    """Refuse an array that is larger than compression can have made of its file.

    Parameters
    ----------
    path : pathlib.Path
        The file, for the error.
    name : str
        Of the array, for the error.
    claimed : int
        Bytes of the array.
    size : int
        Bytes of the file.

    Raises
    ------
    UserError
        Where `claimed` is more than 1100 times `size`.
    """
    if claimed > MOST_COMPRESSED * size:
        raise UserError(f"{path}: {name}: claims {claimed / 1e9:.3g} GB, more than a file of {size} bytes can hold")
