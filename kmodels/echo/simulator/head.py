"""The robot's head: a loudspeaker and a camera in the middle, an ear on either side."""

from dataclasses import dataclass

import numpy as np

from kmodels.echo.simulator.raycast import Surfaces, cast, visible_from

EAR_ANGLE = 45.0  # degrees from straight ahead, to the left and to the right
RADIUS = 0.0875  # m, of a head that casts a shadow
DARKEST = 0.1, 150.0  # the least gain of high frequencies, and where it is [degrees from the ear's side]


@dataclass(frozen=True)
class Head:
    """Where the robot stands and looks, and its ears.

    Parameters
    ----------
    position : array
        (3,) of loudspeaker and camera [m].
    yaw : float
        Where it looks, counter-clockwise from x [rad].
    ear_spacing : float
        Distance between the ears [m].
    directivity : float
        Of loudspeaker and ears; 0: the same everywhere, 1: cardioid.
    shadow : float
        Of the head; 0: none, 1: that of a rigid sphere.
    """

    position: np.ndarray
    yaw: float
    ear_spacing: float
    directivity: float = 0.0
    shadow: float = 0.0

    @property
    def forward(self) -> np.ndarray:
        """Where it looks: (3,) unit vector."""
        return _level(self.yaw)

    @property
    def right(self) -> np.ndarray:
        """To the right of that: (3,) unit vector."""
        return _level(self.yaw - np.pi / 2)

    @property
    def ears(self) -> np.ndarray:
        """Positions of the left and right ear: (2, 3) [m]."""
        return self.position + np.outer((-0.5, 0.5), self.right) * self.ear_spacing

    def speaker_gain(self, directions) -> np.ndarray:
        """Compute the pressure that the loudspeaker sends along directions (..., 3), 1 straight ahead."""
        return self._gain(directions, self.forward)

    def ear_gain(self, ear: int, directions) -> np.ndarray:
        """Compute the gain of an ear, 0 or 1, for pressure from directions (..., 3), 1 on its axis."""
        turn = np.radians(EAR_ANGLE) * (1, -1)[ear]
        return self._gain(directions, _level(self.yaw + turn))

    def ear_shade(self, ear: int, directions) -> np.ndarray:
        """Compute how much more of the high frequencies than of the low ones an ear hears from directions (..., 3).

        ::

            H(f, angle) = 1 + shade(angle) s / (1 + s),   s = i pi f RADIUS / c

        shade is `shadow` times 1 on the ear's own side, -0.9 at 150 degrees from it: a pole and a zero for a rigid
        sphere (Brown and Duda 1998, IEEE Trans. Speech Audio Process. 6, 476).
        """
        least, at = DARKEST
        side = self.right * (-1, 1)[ear]
        angle = np.degrees(np.arccos(np.clip(directions @ side / np.linalg.norm(directions, axis=-1), -1, 1)))
        return self.shadow * (least / 2 + (1 - least / 2) * np.cos(np.pi * angle / at))

    def _gain(self, directions, axis):
        """1 - d / 2 + d / 2 cos(angle): everywhere 1 for directivity d = 0, a cardioid for d = 1."""
        cosine = directions @ axis / np.linalg.norm(directions, axis=-1)
        return 1 - self.directivity / 2 * (1 - cosine)


def _level(angle: float) -> np.ndarray:
    return np.array([np.cos(angle), np.sin(angle), 0.0])


def depth_image(surfaces: Surfaces, head: Head, size: int, view, baseline: float = 0.0, clear=()) -> np.ndarray:
    """Cast the rays of a pinhole camera.

    Parameters
    ----------
    surfaces : Surfaces
        Of the room.
    head : Head
        The camera looks where it looks.
    size : int
        Width and height of the image [pixels].
    view : (float, float)
        Width and height [degrees], both spread over `size` pixels.
    baseline : float
        Distance of a second eye to the right [m]; what that one does not see has no depth, as with a stereo camera.
    clear : sequence of int
        Numbers of the surfaces that no camera sees.

    Returns
    -------
    array
        (size, size) distances along the camera's axis [m], 0 where they are not known.
    """
    across, up = (np.tan(np.radians(angle) / 2) for angle in view)
    steps = (2 * np.arange(size) + 1) / size - 1
    # Along the axis each direction has length 1: the ray's parameter is the depth itself.
    directions = head.forward + steps[:, None] * across * head.right
    directions = directions - steps[:, None, None] * up * np.array([0.0, 0.0, 1.0])
    depth, surface = cast(surfaces, head.position, directions.reshape(-1, 3))
    seen = np.isfinite(depth) & ~np.isin(surface, clear)
    if baseline > 0:
        points = head.position + np.where(seen, depth, 0.0)[:, None] * directions.reshape(-1, 3)
        eye = head.position + baseline * head.right
        seen &= visible_from(surfaces, points, eye)
    return np.where(seen, depth, 0.0).reshape(size, size)
