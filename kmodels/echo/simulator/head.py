"""The robot's head: a loudspeaker and a camera in the middle, an ear on either side."""

from dataclasses import dataclass

import numpy as np

from kmodels.echo.simulator.raycast import Surfaces, cast, visible_from

EAR_ANGLE = 45.0  # degrees from straight ahead, to the left and to the right


@dataclass(frozen=True)
class Head:
    """position: (3,) [m]. yaw: where it looks, counter-clockwise from x [rad]. ear_spacing: [m]. directivity: [1]."""

    position: np.ndarray
    yaw: float
    ear_spacing: float
    directivity: float = 0.0

    @property
    def forward(self) -> np.ndarray:
        """(3,) unit vector."""
        return _level(self.yaw)

    @property
    def right(self) -> np.ndarray:
        """(3,) unit vector."""
        return _level(self.yaw - np.pi / 2)

    @property
    def ears(self) -> np.ndarray:
        """(2, 3) left and right [m]."""
        return self.position + np.outer((-0.5, 0.5), self.right) * self.ear_spacing

    def speaker_gain(self, directions) -> np.ndarray:
        """Pressure that the loudspeaker sends along directions (..., 3), 1 straight ahead."""
        return self._gain(directions, self.forward)

    def ear_gain(self, ear: int, directions) -> np.ndarray:
        """What an ear, 0 or 1, makes of pressure from directions (..., 3), 1 on its axis."""
        turn = np.radians(EAR_ANGLE) * (1, -1)[ear]
        return self._gain(directions, _level(self.yaw + turn))

    def _gain(self, directions, axis):
        """1 - d / 2 + d / 2 cos(angle): everywhere 1 for directivity d = 0, a cardioid for d = 1."""
        cosine = directions @ axis / np.linalg.norm(directions, axis=-1)
        return 1 - self.directivity / 2 * (1 - cosine)


def _level(angle: float) -> np.ndarray:
    return np.array([np.cos(angle), np.sin(angle), 0.0])


def depth_image(surfaces: Surfaces, head: Head, size: int, view, baseline: float = 0.0) -> np.ndarray:
    """Distance of what a pinhole camera sees, along its axis: (size, size) [m], 0 where it is not known.

    view: (width, height) [degrees], both spread over `size` pixels. baseline: the distance of a second eye to the
    right [m]; what this one does not see has no depth, as with a stereo camera.
    """
    across, up = (np.tan(np.radians(angle) / 2) for angle in view)
    steps = (2 * np.arange(size) + 1) / size - 1
    # Along the axis each direction has length 1: the ray's parameter is the depth itself.
    directions = head.forward + steps[:, None] * across * head.right
    directions = directions - steps[:, None, None] * up * np.array([0.0, 0.0, 1.0])
    depth, _ = cast(surfaces, head.position, directions.reshape(-1, 3))
    seen = np.isfinite(depth)
    if baseline > 0:
        points = head.position + np.where(seen, depth, 0.0)[:, None] * directions.reshape(-1, 3)
        eye = head.position + baseline * head.right
        seen &= visible_from(surfaces, points, eye)
    return np.where(seen, depth, 0.0).reshape(size, size)
