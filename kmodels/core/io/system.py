"""What operating systems and file systems differ in, behind one door; nothing else here asks which one it runs on."""

import contextlib
import ctypes
import errno
import functools
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import psutil

# What a file system answers that does not know a call: Lustre and NFS without their lock service, FUSE, CIFS.
UNKNOWN = {errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}

# Lines of /proc/cpuinfo that say what code a processor runs, on x86 and on ARM; the others change by the minute.
PROCESSOR = {"vendor_id", "cpu family", "model", "model name", "stepping", "flags"}
PROCESSOR |= {"CPU implementer", "CPU architecture", "CPU variant", "CPU part", "Features"}


def cores() -> list[int]:
    """List the cores that this process may use."""
    process = psutil.Process()
    return process.cpu_affinity() if hasattr(process, "cpu_affinity") else list(range(os.cpu_count() or 1))


def keep_to(process: int, some: list[int]) -> None:
    """Let a process that was just begun use these cores alone; best effort, for macOS cannot."""
    if hasattr(psutil.Process, "cpu_affinity"):
        with contextlib.suppress(psutil.Error):
            psutil.Process(process).cpu_affinity(some)


def processor() -> str:
    """Describe the processor: its model and what it can do, where the system tells; the same text, the same code runs.

    Linux alone has /proc/cpuinfo.
    """
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return "\n".join(sorted({line for line in lines if line.partition(":")[0].strip() in PROCESSOR}))
    return f"{platform.machine()} {platform.processor()}"


def peak_memory() -> int:
    """Measure the most memory that this process has held so far [bytes]."""
    try:
        import resource
    except ImportError:  # Windows
        return psutil.Process().memory_info().peak_wset
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def release_memory() -> None:
    """Give memory that was freed back to the system; best effort, and for glibc, which keeps it for later.

    What lies between what is still used is not given back otherwise, however much it is.
    """
    with contextlib.suppress(OSError, TypeError, AttributeError):  # macOS, Windows, musl
        ctypes.CDLL(None).malloc_trim(0)


def lock(file) -> bool:
    """Take an open file for this process alone; the system frees it when the process ends.

    Where the file system has no locks, a hint says so once a folder, and the file counts as taken.

    Parameters
    ----------
    file : file object
        Open for writing.

    Returns
    -------
    bool
        Whether this process has it.
    """
    import portalocker

    try:
        portalocker.lock(file, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
    except portalocker.AlreadyLocked:
        return False
    except (portalocker.LockException, OSError) as error:
        cause = error.args[0] if error.args and isinstance(error.args[0], OSError) else error
        if getattr(cause, "errno", None) not in UNKNOWN:
            raise cause from None
        _hint(str(Path(file.name).parent))
    return True


@functools.cache  # once a folder
def _hint(folder: str) -> None:
    from kmodels.core.cli import console

    console.notice(f"{folder}: this file system has no locks; let no two processes write here at the same time")


def name_of(text: str) -> str:
    """Turn a file's name that was read from a UTF-8 text into what this system calls it, whatever its locale."""
    return os.fsdecode(text.encode("utf-8", "surrogateescape"))


def text_of(name: str) -> str:
    """Write a file's name as text that any file takes; a byte that is no UTF-8 becomes an escape."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def flush(path: Path) -> None:
    """Have the system write a file to its disk, where a full disk of another machine is told; best effort."""
    with path.open("r+b") as file:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            if error.errno not in UNKNOWN:
                raise


def is_writable(folder: Path) -> bool:
    """Tell whether a folder, or the nearest one above it that is there, may be written."""
    there = next((place for place in (folder, *folder.parents) if place.exists()), None)
    return there is not None and os.access(there, os.W_OK | os.X_OK)


def spare_folder() -> Path:
    """Name a folder of this user's own among temporary files, for what else would lie in the home folder."""
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    return Path(tempfile.gettempdir()) / f"kmodels-{user}"


def cache_folder() -> Path:
    """Find where what can be made again is kept: ~/.cache/kmodels, or among temporary files where that cannot be."""
    with contextlib.suppress(RuntimeError):  # a user without a name and a home, as in a container
        folder = Path.home() / ".cache" / "kmodels"
        if is_writable(folder):
            return folder
    return spare_folder()


def data_folder() -> Path:
    """Find where data is kept that may be large: KMODELS_CACHE, else what `cache_folder` says."""
    chosen = os.environ.get("KMODELS_CACHE")
    return Path(chosen).expanduser() if chosen else cache_folder()


def private_folder(folder: Path) -> Path | None:
    """Make a folder that nobody else may write, or find it; None where it is another user's or cannot be.

    For what is run as code when it is read: among temporary files anybody may make a folder first.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError:
        return None
    if hasattr(os, "getuid") and (found.st_uid != os.getuid() or found.st_mode & 0o022):
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


def trim(folder: Path, most: int, days: float) -> None:
    """Remove the oldest files in a folder and below: those beyond a size of all [bytes], and those that are too old."""
    found = []
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # another process was faster
            if not path.is_dir():
                found.append((path.stat().st_mtime, path.stat().st_size, path))
    for written, size, path in sorted(found, reverse=True):
        most -= size
        if most < 0 or time.time() - written > days * 86400:
            with contextlib.suppress(OSError):
                path.unlink()


def settle() -> None:
    """Give libraries a place for their caches where this user has no home, or may not write there.

    Numba and Matplotlib would write into a folder called ~, or stop. What is set by hand stays.
    """
    home = os.path.expanduser("~")  # noqa: PTH111 - pathlib raises where there is none
    if home == "~" or not is_writable(Path(home)):
        os.environ.setdefault("NUMBA_CACHE_DIR", str(spare_folder() / "numba"))
        os.environ.setdefault("MPLCONFIGDIR", str(spare_folder() / "matplotlib"))
        os.environ.setdefault("KERAS_HOME", str(spare_folder() / "keras"))
    if home == "~":
        os.environ["HOME"] = str(spare_folder())
