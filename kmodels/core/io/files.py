"""Files that are whole or not there: everything is written aside and renamed into place."""

import contextlib
import glob
import hashlib
import io
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from kmodels.core.io import system
from kmodels.core.spec.errors import UserError

if TYPE_CHECKING:
    import pandas

ASIDE = ".aside-"  # what the names of all that is not yet whole begin with
ESCAPED = "backslashreplace"
LONG = 100  # bytes of a name; most systems allow 255


def absolute(path: str | None) -> str | None:
    """Make a path absolute, so that it means the same wherever a later process is started; None stays None."""
    return None if path is None else str(Path(path).expanduser().resolve())


@contextlib.contextmanager
def relabel_oserror(path: Path) -> Iterator[None]:
    """Give an OSError from inside, such as a full disk, the name that was to be written, not that of a file aside.

    Parameters
    ----------
    path : pathlib.Path
        What was to be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno is not None and (error.filename is None or ASIDE in str(error.filename)):
            error.filename = str(path)
        raise


@contextlib.contextmanager
def reading(path: Path | str, kind: str) -> Iterator[None]:
    """Turn whatever a library raises about a damaged file, inside, into one line that names the file.

    Parameters
    ----------
    path : pathlib.Path or str
        The file.
    kind : str
        What it should be, such as "a NumPy array".

    Raises
    ------
    UserError
        For any error from inside but the system's own, such as no permission, which stay as they are.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{path}: cannot be read as {kind}: {reason}") from None


def refuse_bombs(path: Path, archive: np.lib.npyio.NpzFile) -> None:
    """Refuse an open .npz with an array, as its directory says, larger than half of the free memory.

    Parameters
    ----------
    path : pathlib.Path
        The file, for the error.
    archive : numpy.lib.npyio.NpzFile
        The file, open; none of its arrays is read.

    Raises
    ------
    UserError
        For the first such array.
    """
    for member in archive.zip.infolist():
        refuse_giant(f"{path}: {member.filename.removesuffix('.npy')}", member.file_size)


def refuse_giant(place: str, size: int) -> None:
    """Refuse what would take more than half of the free memory.

    Parameters
    ----------
    place : str
        Names it in the error.
    size : int
        Bytes that it would take.

    Raises
    ------
    UserError
        Where that is too much.
    """
    if 2 * size > psutil.virtual_memory().available:
        raise UserError(f"{place}: {size / 1e9:.3g} GB, more than half of the free memory")


def read_array(path: Path, place: str | None = None, on_disk: bool = False) -> np.ndarray:
    """Read the numbers of an .npy file; nothing in it is executed.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    place : str, optional
        What an error names; the path by default.
    on_disk : bool
        Whether to leave the numbers on disk until they are looked at.

    Returns
    -------
    numpy.ndarray
        Booleans, integers or floats, of the file's shape and type.

    Raises
    ------
    UserError
        Where the file is damaged or holds no array of numbers.
    """
    with reading(place or path, "a NumPy array"):
        values = np.load(path, mmap_mode="r" if on_disk else None, allow_pickle=False)
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "biuf":
        raise UserError(f"{place or path}: expected one array of numbers")
    return values


def array_bytes(values: np.ndarray) -> bytes:
    """Serialise an array as the bytes of an .npy file: NumPy's own writing to disk does not say why it failed."""
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    return buffer.getvalue()


@contextlib.contextmanager
def rows_on_disk(
    path: Path, shape: tuple[int, ...], dtype: str = "float32"
) -> Iterator[Callable[[np.ndarray], object]]:
    """Write an .npy file of any size row by row.

    A memory map would end the process, without a word, where the disk is full.

    Parameters
    ----------
    path : pathlib.Path
        The file, written in place.
    shape : tuple of int
        Of the whole array, rows first.
    dtype : str
        Of its numbers.

    Yields
    ------
    callable
        `append(row)`, to be called once a row, in order.
    """
    with path.open("wb") as file:
        header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        yield lambda row: file.write(np.ascontiguousarray(row, dtype))


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Write a file whole or not at all.

    Parameters
    ----------
    path : pathlib.Path
        The file; its folder is made.

    Yields
    ------
    pathlib.Path
        A temporary path beside `path`, of the same suffix. When the block ends well it takes `path`'s place, else it
        is removed.
    """
    path = Path(path)
    path = path.resolve() if path.is_symlink() else path  # a link stays one
    path.parent.mkdir(parents=True, exist_ok=True)
    start = f"{ASIDE}{_short(path.name)}-{platform.node()}-"
    for left in path.parent.glob(glob.escape(start) + "*"):
        if is_gone(left.name.removeprefix(start).split("-")[0]):  # killed while it wrote
            left.unlink(missing_ok=True)
    # The suffix stays: writers such as Keras' choose the format by it.
    aside = path.with_name(f"{start}{os.getpid()}-{os.urandom(4).hex()}{path.suffix}")
    try:
        with relabel_oserror(path):
            yield aside
            system.flush(aside)
            aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _short(name: str) -> str:
    """Shorten the name of a file that is as long as names may be, for there to be room for more."""
    return name if len(os.fsencode(name)) < LONG else hashlib.sha256(os.fsencode(name)).hexdigest()[:32]


def is_gone(process: str) -> bool:
    """Tell whether a process of this machine, named by its number, runs no more."""
    return process.isdigit() and not psutil.pid_exists(int(process))


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all."""
    with atomic_write(path) as aside:
        aside.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all; bytes of a name that are no text as escapes."""
    with atomic_write(path) as aside:
        aside.write_text(text, encoding="utf-8", errors=ESCAPED)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all; NaN is a ValueError, so that every reader can read it."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_table(path: Path, table: "pandas.DataFrame") -> None:
    """Write a table without its index, whole or not at all.

    Parameters
    ----------
    path : pathlib.Path
        Ends in .parquet for that format; CSV with six decimals for any other suffix.
    table : pandas.DataFrame
        What to write.
    """
    with atomic_write(path) as aside:
        if Path(path).suffix.lower() == ".parquet":
            with aside.open("wb") as file:  # pyarrow takes no name that is not UTF-8
                table.to_parquet(file, index=False)
        else:
            table.to_csv(aside, index=False, float_format="%.6f", errors=ESCAPED)


def sha256(*paths: Path) -> str:
    """Hash the contents of files, in the order given.

    Parameters
    ----------
    *paths : pathlib.Path
        Files; a folder stands for all files in it and below, sorted.

    Returns
    -------
    str
        SHA-256, 64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for path in map(Path, paths):
        inside = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for each in inside:
            with each.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def file_lock(path: Path, wait: float = 0.0) -> Iterator[bool]:
    """Hold a file alone, against other processes.

    The system frees it when a process dies. The file says which process holds it.

    Parameters
    ----------
    path : pathlib.Path
        The lock's file; made where it is missing.
    wait : float
        How long to wait for another process to free it [s].

    Yields
    ------
    bool
        Whether this process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        if not _locked(file, time.monotonic() + wait):
            yield False
            return
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}")
        file.flush()
        yield True


def _locked(file, until: float) -> bool:
    """Lock a file for this process; False where another one still has it then, or had it and removed it."""
    while True:
        if system.lock(file):
            return os.fstat(file.fileno()).st_nlink > 0
        if time.monotonic() >= until:
            return False
        time.sleep(0.2)
