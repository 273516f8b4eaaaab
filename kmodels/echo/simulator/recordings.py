"""Simulated rooms, with recordings and depth images of a chirping robot, written as BatVision V2 is."""

import time
from pathlib import Path

import numpy as np

from kmodels.core.io import parallel
from kmodels.core.training.batching import split_groups
from kmodels.echo.data.batvision import PARTS, SAMPLE_RATE, write_pair, write_tables
from kmodels.echo.data.prepare import recording_length
from kmodels.echo.simulator.head import Head, depth_image
from kmodels.echo.simulator.impulse_response import RadiosityExchange, impulse_response, radiosity_exchange
from kmodels.echo.simulator.recording import record
from kmodels.echo.simulator.room import Room, sample_position, sample_room

SIMULATION = 1  # raise it when the same recipe gives other data: cached data is then made again
WORTH_WORKERS = 500  # pairs: worker processes take seconds to start


def simulate(recipe, folder: Path, report) -> dict[str, str]:
    """Write recipe.data.n_rooms locations of pairs_per_room pairs; returns their number and a core's speed.

    A room depends on recipe.seed and its number alone. Its three CSVs are written last: rooms whose CSVs are there
    are not made again. All pairs of a room are in one part, the same as that of a split by room.
    """
    data = recipe.data
    names = np.array([f"room-{number:05d}" for number in range(data.n_rooms)])
    rows = split_groups(names, data.split, recipe.seed).values()
    part = {names[k]: part for part, index in zip(PARTS, rows, strict=True) for k in index}
    streams = parallel.streams(recipe.seed, data.n_rooms)
    own = parallel.of_this_part(range(data.n_rooms))
    left = [k for k in own if not _is_written(folder / names[k])]
    jobs = ((streams[k], data, folder, names[k], part[names[k]]) for k in left)
    long = len(left) * data.pairs_per_room > WORTH_WORKERS
    rooms = parallel.run(_write_room, jobs, long, in_order=False)
    seconds = 0.0
    for done, spent in enumerate(rooms, len(own) - len(left) + 1):
        seconds += spent
        report(done * data.pairs_per_room, len(own) * data.pairs_per_room)
    facts = {"pairs": f"{len(own) * data.pairs_per_room}"}
    if left:
        facts["pairs a second and core"] = f"{len(left) * data.pairs_per_room / seconds:.1f}"
    return facts


def _is_written(location: Path) -> bool:
    return all((location / f"{part}.csv").is_file() for part in PARTS)


def _write_room(stream, data, folder: Path, name: str, part: str) -> float:
    """Sample a room and write its pairs; returns the processor seconds that it took."""
    started = time.process_time()
    rng = np.random.default_rng(stream)
    room = sample_room(rng, data)
    exchange = radiosity_exchange(room)
    rows = []
    for number in range(data.pairs_per_room):
        recording, depth = simulate_pair(rng, room, exchange, data)
        rows.append(write_pair(folder, name, number, recording, depth))
    write_tables(folder, name, part, rows)
    return time.process_time() - started


def simulate_pair(
    rng: np.random.Generator, room: Room, exchange: RadiosityExchange, data
) -> tuple[np.ndarray, np.ndarray]:
    """Simulate a recording and a depth image from a random place in a room.

    Parameters
    ----------
    rng : numpy.random.Generator
        Of the place, the head and the noise.
    room : Room
        The room.
    exchange : RadiosityExchange
        ``radiosity_exchange(room)``.
    data : kmodels.echo.recipe.Data
        A recipe's section.

    Returns
    -------
    recording : array
        (samples, 2), left and right ear, in parts of full scale.
    depth : array
        (size, size) [m], 0 = unknown.
    """
    place, yaw, spacing = sample_position(rng, room, data), rng.uniform(0, 2 * np.pi), rng.uniform(*data.ear_spacing)
    head = Head(place, yaw, spacing, data.directivity, data.head_shadow)
    samples = recording_length(data.max_depth)
    impulses = impulse_response(rng, room, exchange, head, samples / SAMPLE_RATE)
    recording = record(rng, impulses, samples, data)
    return recording, depth_image(room.surfaces, head, data.image_size, data.view, data.stereo_baseline, room.glass)
