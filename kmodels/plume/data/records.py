"""Windows of consecutive frames, cut from runs on disk and read when they are used."""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from kmodels.core.io.rows import memory_bytes, unnamed_file
from kmodels.plume.data.run import Maps, StoredRun

CACHE_BYTES = 512 << 20  # of runs that stay in memory once read
PART_BYTES = 8 << 20  # of a run or a forecast that is in hand at once


class RunCache:
    """Runs are read from their files once: they stay in memory as far as they fit, the others in a file of their own.

    Nothing is dropped for another run: an epoch comes to every run equally often in random order. Threads may read at
    once.

    Parameters
    ----------
    limit : int
        Bytes that the runs may take in memory.
    """

    def __init__(self, limit: int):
        self._room = limit
        self._frames: dict[str, np.ndarray | int] = {}  # of a run, or where they begin in the file
        self._file = None
        self._lock = threading.Lock()

    def frames(self, run: StoredRun, first: int, stop: int) -> np.ndarray:
        """Get frames first .. stop - 1 of a run: (stop - first, z, y, x) float32 [kg m-3]."""
        if not run.on_disk:
            return run.concentration(first, stop)
        with self._lock:
            if run.name not in self._frames:
                self._frames[run.name] = self._kept(run)
            kept = self._frames[run.name]
            if isinstance(kept, np.ndarray):
                return kept[first:stop]
            frame = run.nbytes // run.n_frames
            self._file.seek(kept + first * frame)
            return np.frombuffer(self._file.read((stop - first) * frame), "float32").reshape(-1, *run.shape)

    def _kept(self, run: StoredRun) -> np.ndarray | int:
        """Read a run: return its frames, or write them and return where they begin."""
        if run.nbytes <= self._room:
            self._room -= run.nbytes
            return run.concentration(0, run.n_frames)
        if self._file is None:
            self._file = unnamed_file()
        begin = self._file.seek(0, os.SEEK_END)
        per_part = max(1, PART_BYTES * run.n_frames // run.nbytes)
        for first in range(0, run.n_frames, per_part):
            self._file.write(run.concentration(first, min(first + per_part, run.n_frames)).tobytes())
        return begin


@dataclass(frozen=True, eq=False)
class Windows:
    """Cut n windows of `n_past` frames, and the frame `horizon` after the last of them.

    Frames are read from disk when asked for, so a data set may be larger than memory. In what follows t is the last
    frame of a window's past.

    Parameters
    ----------
    runs : tuple of StoredRun
        Those that the windows are cut from, of one grid and one frame interval.
    run : array (n,) of int
        Index into `runs`.
    first : array (n,) of int
        First frame of each window.
    n_past, horizon : int
        Frames seen, and how many frames after the last of them the target is.
    cell : (dz, dy, dx)
        Size of a cell [m].
    frame_seconds : float
        Between two frames [s].
    cache : RunCache
        Of the runs.
    """

    runs: tuple[StoredRun, ...]
    run: np.ndarray
    first: np.ndarray
    n_past: int
    horizon: int
    cell: tuple[float, float, float]
    frame_seconds: float
    cache: RunCache = field(default_factory=lambda: RunCache(memory_bytes(CACHE_BYTES)), repr=False)

    def __len__(self) -> int:
        return len(self.run)

    def take(self, rows) -> "Windows":
        """Select the windows with these indices."""
        return replace(self, run=self.run[rows], first=self.first[rows])

    @property
    def groups(self) -> np.ndarray:
        """(n,) name of each window's run: windows of one run overlap, so a split keeps them together."""
        return np.array([run.name for run in self.runs])[self.run]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(z, y, x) [cells]."""
        return self.runs[0].shape

    @property
    def x(self) -> np.ndarray:
        """(x,) cell centres of the first run [m]."""
        return self.runs[0].x

    @property
    def y(self) -> np.ndarray:
        """(y,) cell centres of the first run [m]."""
        return self.runs[0].y

    @property
    def z(self) -> np.ndarray:
        """(z,) cell centres [m], above sea level or, in runs that follow the terrain, above ground."""
        return self.runs[0].z

    @property
    def units(self) -> str:
        """Units of concentration in the first file, such as "ug m-3"; arrays are in kg m-3 all the same."""
        return self.runs[0].units

    @property
    def start_time(self) -> np.ndarray:
        """(n,) datetime64[ns] of each window's first frame."""
        return self._time(self.first)

    @property
    def reference_time(self) -> np.ndarray:
        """(n,) datetime64[ns] of each window's last past frame: when its forecast starts."""
        return self._time(self.first + self.n_past - 1)

    @property
    def leads(self) -> np.ndarray:
        """(n,) frames that each window's run has after the window's past."""
        frames = np.array([run.n_frames for run in self.runs], int)
        return frames[self.run] - self.first - self.n_past

    def by_runs(self, frames: int) -> Iterator[np.ndarray]:
        """Yield rows, whole runs at a time, whose windows of so many frames take about PART_BYTES or are of one run."""
        order = np.argsort(self.run, kind="stable")
        runs = np.split(order, np.flatnonzero(np.diff(self.run[order])) + 1) if len(order) else []
        some, per_window = [], 4 * frames * int(np.prod(self.shape)) if runs else 1
        for own in runs:
            if some and (sum(map(len, some)) + len(own)) * per_window > PART_BYTES:
                yield np.concatenate(some)
                some = []
            some.append(own)
        if some:
            yield np.concatenate(some)

    def past(self, rows) -> np.ndarray:
        """Read frames t - n_past + 1 .. t, which the model sees: (n, n_past, z, y, x) float32 [kg m-3]."""
        return self._frames(rows, 0, self.n_past)

    def target(self, rows, lead: int | None = None) -> np.ndarray:
        """Read frame t + lead, by default t + horizon: (n, z, y, x) float32 [kg m-3].

        Raises
        ------
        ValueError
            Where a run ends before.
        """
        return self._frames(rows, self.n_past - 1 + (self.horizon if lead is None else lead), 1)[:, 0]

    def future(self, rows, leads: int) -> np.ndarray:
        """Read frames t + 1 .. t + leads: (n, leads, z, y, x) float32 [kg m-3].

        Raises
        ------
        ValueError
            Where a run ends before; `leads` of the windows tells.
        """
        return self._frames(rows, self.n_past, leads)

    @property
    def has_wind(self) -> bool:
        """Whether every run has wind."""
        return all(run.u is not None and run.v is not None for run in self.runs)

    def wind(self, rows) -> np.ndarray | None:
        """Get the wind of the frames in `past`: (n, n_past, 2, z) float32 [m s-1], eastward and northward.

        None where a run has no wind.
        """
        if not self.has_wind:
            return None
        return np.stack([self.wind_at(rows, age) for age in range(1 - self.n_past, 1)], axis=1)

    def wind_at(self, rows, age: int) -> np.ndarray:
        """Get the wind of frame t + age: (n, 2, z) float32 [m s-1]; behind a run's end its last."""
        wind = np.empty((len(self.run[rows]), 2, self.shape[0]), "float32")
        for k, (run, first) in enumerate(self._places(rows)):
            frame = min(first + self.n_past - 1 + age, run.n_frames - 1)
            wind[k] = run.u[frame], run.v[frame]
        return wind

    def maps(self, rows) -> Maps:
        """Make the maps of these windows: terrain (n, y, x), mask below ground and sources (n, z, y, x)."""
        used, which = np.unique(self.run[rows], return_inverse=True)
        each = [self.runs[k].maps() for k in used]
        return Maps(*(np.stack(parts)[which] for parts in zip(*each, strict=True)))

    def _places(self, rows):
        """List (run, first frame) of each of these windows."""
        return [(self.runs[k], int(t)) for k, t in zip(self.run[rows], self.first[rows], strict=True)]

    def _frames(self, rows, offset: int, count: int) -> np.ndarray:
        """Read `count` frames from `offset` after each window's first one: (n, count, z, y, x) float32 [kg m-3]."""
        places = self._places(rows)
        frames = np.empty((len(places), count, *self.shape), "float32")
        for k, (run, first) in enumerate(places):
            stop = first + offset + count
            if stop > run.n_frames or count < 1:
                raise ValueError(f"{run.name}: asked for frames up to {stop - 1}; the last is {run.n_frames - 1}")
            frames[k] = self.cache.frames(run, first + offset, stop)
        return frames

    def _time(self, frame: np.ndarray) -> np.ndarray:
        """Date a frame of each window: (n,) datetime64[ns]."""
        return np.array(
            [
                self.runs[k].start + np.timedelta64(round(self.runs[k].time[t] * 1e9), "ns")
                for k, t in zip(self.run, frame, strict=True)
            ],
            "datetime64[ns]",
        )
