"""Rooms: a box, a corridor or an L on the floor, with boxes of furniture in it."""

from dataclasses import dataclass, field, replace

import numpy as np

from kmodels.echo.simulator.raycast import Surfaces, surfaces_of

CUT_OUT = (0.3, 0.6)  # of each side is missing from an L
CORRIDOR_LENGTH = 0.5  # a corridor's length is sampled from the upper part of the range of sides
FURNITURE = ((0.4, 2.0), (0.4, 1.2), (0.4, 2.2))  # m: length, depth, height
CROWDED = 0.4  # of the floor may lie within CLEARANCE of furniture
CLEARANCE = 0.3  # m between the robot and furniture
WALL_CLEARANCE = 0.4  # m between the robot and walls
GAP = 0.05  # m between furniture and walls
TRIES = 1000


@dataclass(frozen=True)
class Room:
    """A room.

    Parameters
    ----------
    surfaces : Surfaces
        Those of the shell (walls, floor, ceiling) first, then furniture's.
    n_shell : int
        How many belong to the shell.
    floors : array
        (1 or 2, 2, 2) rectangles that make up the floor, (low, high) x (x, y) [m].
    boxes : array
        (n, 2, 3) furniture, (low, high) x (x, y, z) [m].
    volume : float
        Of the empty room [m3].
    glass : array
        Numbers of the surfaces that are smooth and that no camera sees.
    """

    surfaces: Surfaces
    n_shell: int
    floors: np.ndarray
    boxes: np.ndarray
    volume: float
    glass: np.ndarray = field(default_factory=lambda: np.zeros(0, int))


def build_room(size, cut=(0.0, 0.0), boxes=(), absorption=0.1, scattering=0.1) -> Room:
    """Build a room from x = y = z = 0.

    Parameters
    ----------
    size : sequence of float
        (x, y, z) [m].
    cut : sequence of float
        (x, y) [m] that is missing at the far corner: an L.
    boxes : sequence
        (low, high) corners of furniture [m].
    absorption, scattering : float or callable
        One for all surfaces, or a function of the number of surfaces that returns one for each.
    """
    boxes = np.reshape(np.asarray(boxes, float), (-1, 2, 3))
    floors = _floors(size, cut)
    shell = _walls(size, cut) + _floor_and_ceiling(floors, size[2])
    rectangles = shell + [face for box in boxes for face in _faces(*box)]
    absorption, scattering = (
        share(len(rectangles)) if callable(share) else share for share in (absorption, scattering)
    )
    volume = float((size[0] * size[1] - cut[0] * cut[1]) * size[2])
    return Room(surfaces_of(rectangles, absorption, scattering), len(shell), floors, boxes, volume)


def sample_room(rng: np.random.Generator, data) -> Room:
    """Sample a random room; data: a recipe's data section."""
    size = np.array([*rng.uniform(*data.room_side, 2), rng.uniform(*data.room_height)])
    cut = np.zeros(2)
    kind = rng.random()
    if kind < data.unusual / 2:
        cut = rng.uniform(*CUT_OUT, 2) * size[:2]
    elif kind < data.unusual:
        low, high = data.room_side
        size[:2] = rng.uniform(*data.corridor_width), rng.uniform(low + CORRIDOR_LENGTH * (high - low), high)
    boxes = _sample_boxes(rng, data, size, cut)
    room = build_room(
        size,
        cut,
        boxes,
        absorption=lambda n: rng.uniform(*data.absorption, n),
        scattering=lambda n: rng.uniform(*data.scattering, n),
    )
    return glaze(room, rng.random(room.n_shell) < data.glass) if data.glass else room


def glaze(room: Room, chosen) -> Room:
    """Make those walls of glass that are chosen among the shell's surfaces (n_shell,): nothing there scatters."""
    glass = np.flatnonzero(np.asarray(chosen) & (room.surfaces.axis[: room.n_shell] != 2))
    scattering = room.surfaces.scattering.copy()
    scattering[glass] = 0.0
    return replace(room, surfaces=room.surfaces._replace(scattering=scattering), glass=glass)


def sample_position(rng: np.random.Generator, room: Room, data) -> np.ndarray:
    """Sample where the robot's head is: (x, y, z) [m], clear of walls and furniture."""
    ends = room.floors.reshape(-1, 2)
    for _ in range(TRIES):
        place = rng.uniform(ends.min(axis=0), ends.max(axis=0))
        if _has_room(place, room):
            return np.array([*place, rng.uniform(*data.head_height)])
    raise RuntimeError(f"no place for the robot in a room of {room.volume:.0f} m3 with {len(room.boxes)} boxes")


def _has_room(place, room: Room) -> bool:
    """Return whether the robot can stand at (x, y)."""
    corners = place + WALL_CLEARANCE * np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
    if not all(_inside(corner, room.floors).any() for corner in corners):
        return False
    grown = room.boxes[:, :, :2] + CLEARANCE * np.array([-1, 1])[:, None]
    return not _inside(place, grown).any()


def _inside(place, rectangles):
    """Return, (n,), which of the rectangles (n, 2, 2) hold a point."""
    return ((rectangles[:, 0] <= place) & (place <= rectangles[:, 1])).all(axis=1)


def _sample_boxes(rng, data, size, cut) -> list:
    """Sample furniture that stands on the floor and leaves the robot room."""
    boxes, covered = [], 0.0
    floor = size[0] * size[1] - cut[0] * cut[1]
    for _ in range(rng.integers(*data.furniture, endpoint=True)):
        sides = np.array([rng.uniform(*limits) for limits in FURNITURE])
        if rng.random() < 0.5:
            sides[:2] = sides[1::-1]
        sides = np.minimum(sides, size - 2 * GAP)
        low = np.array([*rng.uniform(GAP, size[:2] - sides[:2] - GAP), 0.0])
        taken = np.prod(sides[:2] + 2 * CLEARANCE)
        in_cut = (low[:2] + sides[:2] > size[:2] - cut - GAP).all() and cut.any()
        if not in_cut and covered + taken <= CROWDED * floor:
            boxes.append((low, low + sides))
            covered += taken
    return boxes


def _floors(size, cut) -> np.ndarray:
    """Part the floor into one rectangle, or the two of an L."""
    x, y = size[:2]
    if not any(cut):
        return np.array([[[0.0, 0.0], [x, y]]])
    return np.array([[[0.0, 0.0], [x, y - cut[1]]], [[0.0, y - cut[1]], [x - cut[0], y]]])


def _walls(size, cut) -> list:
    x, y, z = size
    inner_x, inner_y = x - cut[0], y - cut[1]
    walls = [
        (0, (0, 0, 0), (0, y, z), 1),
        (1, (0, 0, 0), (x, 0, z), 1),
        (0, (x, 0, 0), (x, inner_y, z), -1),
        (1, (0, y, 0), (inner_x, y, z), -1),
    ]
    if any(cut):
        walls += [(0, (inner_x, inner_y, 0), (inner_x, y, z), -1), (1, (inner_x, inner_y, 0), (x, inner_y, z), -1)]
    return walls


def _floor_and_ceiling(floors, height) -> list:
    levels = ((0.0, 1), (height, -1))
    return [(2, (*low, z), (*high, z), facing) for low, high in floors for z, facing in levels]


def _faces(low, high) -> list:
    """List the four sides and the top of a box."""
    faces = []
    for axis, end, facing in ((0, low, -1), (0, high, 1), (1, low, -1), (1, high, 1), (2, high, 1)):
        first, last = low.copy(), high.copy()
        first[axis] = last[axis] = end[axis]
        faces.append((axis, first, last, facing))
    return faces
