"""Rooms, rays and the camera against closed forms."""

import numpy as np
import pytest

from kmodels.echo.recipe import Data
from kmodels.echo.simulator.head import Head, depth_image
from kmodels.echo.simulator.raycast import cast, surfaces_of, visible
from kmodels.echo.simulator.room import CLEARANCE, WALL_CLEARANCE, build_room, glaze, sample_position, sample_room

VIEW = (86.0, 57.0)


def camera_rays(yaw, size, view=VIEW):
    """(size, size, 3) directions of pixels, 1 m long along the camera's axis; written down once more."""
    fraction = (np.arange(size) + 0.5) / size - 0.5  # of the image plane's width, from its middle
    width, height = (2 * np.tan(np.radians(v / 2)) for v in view)
    right, down = np.meshgrid(fraction * width, fraction * height)
    return np.stack(
        [np.cos(yaw) + right * np.sin(yaw), np.sin(yaw) - right * np.cos(yaw), -down],
        axis=-1,
    )


@pytest.mark.parametrize("yaw", [0.0, 0.3, 2.0, -1.3])
def test_depth_in_a_box_is_that_of_the_nearest_plane(yaw):
    """Plane n . p = h: depth = (h - n . o) / (n . d), d of length 1 along the camera's axis."""
    size, origin = np.array([5.0, 7.0, 3.0]), np.array([2.0, 3.0, 1.2])
    directions = camera_rays(yaw, 24)
    with np.errstate(divide="ignore"):
        to_high, to_low = (size - origin) / directions, -origin / directions
    expected = np.where(directions > 0, to_high, to_low).min(axis=-1)
    depth = depth_image(build_room(size).surfaces, Head(origin, yaw, 0.2), 24, VIEW)
    np.testing.assert_allclose(depth, expected, rtol=1e-12)


def test_wall_straight_ahead_is_equally_deep_everywhere():
    """Planar depth, not distance: 3 m in every pixel that shows the wall."""
    room = build_room((4.0, 40.0, 30.0))
    depth = depth_image(room.surfaces, Head(np.array([1.0, 20.0, 15.0]), 0.0, 0.2), 16, VIEW)
    np.testing.assert_allclose(depth, 3.0, rtol=1e-12)


def test_right_is_right_and_down_is_down():
    """Looking along x, right is -y."""
    room = build_room((10.0, 10.0, 3.0), boxes=[((6.0, 3.0, 0.0), (7.0, 4.0, 3.0))])
    depth = depth_image(room.surfaces, Head(np.array([4.0, 5.0, 1.0]), 0.0, 0.2), 32, VIEW)
    assert depth[14, 16:].min() == pytest.approx(2.0) and depth[14, :16].min() > 4.0
    assert depth[-1, 4] == pytest.approx(1.0 / (np.tan(np.radians(28.5)) * 31 / 32))  # the floor, 1 m below
    assert depth[0, 4] == pytest.approx(2.0 / (np.tan(np.radians(28.5)) * 31 / 32))


def test_a_wall_of_glass_is_smooth_and_no_camera_sees_it():
    size = (5.0, 4.0, 3.0)
    room = build_room(size, boxes=[((3.0, 1.0, 0.0), (3.5, 1.5, 1.0))], scattering=0.3)
    glazed = glaze(room, np.arange(room.n_shell) != 0)  # the wall at x = 0 stays, and floor and ceiling do
    assert len(glazed.glass) == 3 and (room.surfaces.axis[glazed.glass] != 2).all()
    assert (glazed.surfaces.scattering[glazed.glass] == 0).all()
    head = Head(np.array([1.0, 2.0, 1.2]), 0.0, 0.2)
    seen, clear = (depth_image(of.surfaces, head, 24, VIEW, clear=of.glass) for of in (room, glazed))
    assert (seen > 0).all() and clear[12, 12] == 0
    assert (clear[clear > 0] == seen[clear > 0]).all() and 0.2 < (clear > 0).mean() < 0.8
    assert (clear[-1, 8:-8] > 0).all()  # the floor


def test_round_the_corner_of_an_l():
    room = build_room((8.0, 6.0, 3.0), cut=(5.0, 4.0))
    assert room.volume == pytest.approx((8 * 6 - 5 * 4) * 3)
    assert room.surfaces.area.sum() == pytest.approx(2 * (8 * 6 - 5 * 4) + 28 * 3)
    long_leg, short_leg = np.array([7.0, 1.0, 1.5]), np.array([1.0, 5.0, 1.5])
    ahead = np.array([[-1.0, 0, 0], [0, 1.0, 0]])
    assert cast(room.surfaces, long_leg, ahead)[0].tolist() == [7.0, 1.0]  # the wall that is cut in is 1 m away
    assert not visible(room.surfaces, long_leg, short_leg)
    assert visible(room.surfaces, long_leg, np.array([1.0, 1.0, 1.5]))


def test_surfaces_are_seen_from_the_front_and_hide_from_all_sides():
    """A wall lets a ray from behind pass; a box, all front outside, hides whatever side of the middle it stands on."""
    wall = surfaces_of([(0, (3.0, -9.0, -9.0), (3.0, 9.0, 9.0), -1)], 0.1, 0.1)
    ahead, back = np.array([[1.0, 0, 0]]), np.array([[-1.0, 0, 0]])
    assert cast(wall, np.zeros(3), ahead)[0].tolist() == [3.0]
    assert cast(wall, np.array([5.0, 0, 0]), back)[1].tolist() == [-1]
    for x in (1.0, 5.0, 8.5):
        room = build_room((10.0, 4.0, 3.0), boxes=[((x, 1.0, 0.0), (x + 0.2, 3.0, 2.0))])
        one, other = np.array([0.5, 2.0, 1.0]), np.array([9.5, 2.0, 1.0])
        assert not visible(room.surfaces, one, other) and not visible(room.surfaces, other, one)
        assert visible(room.surfaces, one + np.array([0, 0, 1.5]), other + np.array([0, 0, 1.5]))


def test_second_eye_casts_a_shadow():
    """Beside a near edge, b (1 / near - 1 / far) in units of the image plane is unknown, on its left."""
    near, far, baseline, size = 2.0, 6.0, 0.3, 400
    room = build_room((8.0, 20.0, 20.0), boxes=[((4.0, 9.5, 0.0), (4.1, 10.5, 20.0))])
    head = Head(np.array([2.0, 10.0, 10.0]), 0.0, 0.2)
    row = depth_image(room.surfaces, head, size, (60.0, 60.0), baseline)[size // 2]
    unknown = np.flatnonzero(row == 0)
    pixels = baseline * (1 / near - 1 / far) / (2 * np.tan(np.radians(30)) / size)
    assert abs(len(unknown) - pixels) <= 1
    assert row[unknown[0] - 1] == pytest.approx(far) and row[unknown[-1] + 1] == pytest.approx(near)
    assert (depth_image(room.surfaces, head, size, (60.0, 60.0))[size // 2] > 0).all()


def test_drawn_rooms_are_closed_and_leave_the_robot_room():
    data = Data()
    directions = np.random.default_rng(0).normal(size=(2000, 3))
    kinds, boxes = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        room = sample_room(rng, data)
        place = sample_position(rng, room, data)
        assert np.isfinite(cast(room.surfaces, place, directions)[0]).all()
        walls = cast(room.surfaces, place, np.array([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]]))[0]
        assert walls.min() >= min(CLEARANCE, WALL_CLEARANCE) - 1e-9
        assert data.head_height[0] <= place[2] <= data.head_height[1]
        low, high = room.floors.reshape(-1, 2).min(axis=0), room.floors.reshape(-1, 2).max(axis=0)
        kinds.append("L" if len(room.floors) == 2 else "corridor" if min(high - low) < 3 else "box")
        boxes.append(len(room.boxes))
        absorption = room.surfaces.absorption
        assert absorption.min() >= 0.05 and absorption.max() <= 0.5 and np.ptp(absorption) > 0
    assert 5 <= kinds.count("L") <= 18 and 4 <= kinds.count("corridor") <= 18
    assert max(boxes) >= 6 and min(boxes) == 0


def test_furniture_stands_inside_the_room():
    """Also in an L: no corner of a box looks out of the floor's rectangles but by those of its own middle."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        room = sample_room(rng, Data(unusual=1.0, furniture=(8, 8)))
        ends = room.floors.reshape(-1, 2)
        for low, high in room.boxes:
            assert (low[:2] > ends.min(axis=0)).all() and (high[:2] < ends.max(axis=0)).all() and low[2] == 0
            middle = (low + high)[:2] / 2
            assert ((room.floors[:, 0] < high[:2]) & (low[:2] < room.floors[:, 1])).all(axis=1).any(), middle
