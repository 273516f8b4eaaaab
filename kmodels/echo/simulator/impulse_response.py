"""A room's impulse response at two ears: energies and arrival times.

Pressure is that of a source with p = 1 / r: energies are p^2, and a source sends out 4 pi. Sound travels at
SPEED_OF_SOUND; air absorbs nothing, and a surface absorbs the same at every frequency.

* direct: straight to the ears.
* specular: image sources up to ORDER.
* scattered: the first diffuse reflection. Rays from the head, each a solid angle dw, find the visible surface; its
  patch there sends p^2 = dw (1 - absorption) scattering cos / (pi r^2) to each ear, by Lambert's law, with its own
  delay. The patches' signs are random: their energies add up.
* late: what was diffused earlier or more often, as energy over time. It comes from everywhere: no shadow falls on it.
"""

from typing import NamedTuple

import numpy as np

from kmodels.echo.data.acoustics import SPEED_OF_SOUND
from kmodels.echo.simulator import radiosity
from kmodels.echo.simulator.head import Head
from kmodels.echo.simulator.image_sources import specular_paths
from kmodels.echo.simulator.raycast import cast
from kmodels.echo.simulator.room import Room

ORDER = 3
RAYS = 4096


class Arrivals(NamedTuple):
    """Impulses at one ear: seconds (n,) after the source's, pressure (n,), and `Head.ear_shade` (n,) or one for all."""

    seconds: np.ndarray
    pressure: np.ndarray
    shade: np.ndarray | float = 0.0


class ImpulseResponse(NamedTuple):
    """The parts of the response, for the left and the right ear.

    Attributes
    ----------
    direct, specular, scattered : (Arrivals, Arrivals)
        Of each ear.
    late : array
        (2, steps) energy in each radiosity.STEP.
    """

    direct: tuple[Arrivals, Arrivals]
    specular: tuple[Arrivals, Arrivals]
    scattered: tuple[Arrivals, Arrivals]
    late: np.ndarray


class Rays(NamedTuple):
    """n rays from the head that met a surface.

    Attributes
    ----------
    direction : array
        (n, 3) unit vectors.
    distance : array
        (n,) [m].
    surface : array
        (n,) its number.
    point : array
        (n, 3) where it was met [m].
    angle : float
        The solid angle of each.
    power : array
        (n,) that the loudspeaker sends into it.
    """

    direction: np.ndarray
    distance: np.ndarray
    surface: np.ndarray
    point: np.ndarray
    angle: float
    power: np.ndarray


class RadiosityExchange(NamedTuple):
    """The diffuse exchange of energy in a room: its patches, their shares (n, n) and delays (n, n) [steps]."""

    patches: radiosity.Patches
    share: np.ndarray
    delay: np.ndarray


def radiosity_exchange(room: Room) -> RadiosityExchange:
    """Compute the exchange between a room's patches; it does not depend on where the head is."""
    patches = radiosity.patches_of(room.surfaces)
    share, distance = radiosity.exchange(room.surfaces, patches)
    return RadiosityExchange(patches, share, np.maximum(_steps(distance), 1))


def impulse_response(
    rng, room: Room, exchange: RadiosityExchange, head: Head, seconds: float, rays: int = RAYS
) -> ImpulseResponse:
    """Compute the response of both ears to the head's own impulse.

    Parameters
    ----------
    rng : numpy.random.Generator
        For the signs and turns of the rays.
    room : Room
        Surfaces with their absorption and scattering.
    exchange : RadiosityExchange
        ``radiosity_exchange(room)``.
    head : Head
        Loudspeaker and ears.
    seconds : float
        Length of the response [s].
    rays : int
        How many sample what scatters and what is late.
    """
    fan = _rays(rng, room, head, rays)
    return ImpulseResponse(
        tuple(_direct(head, ear) for ear in (0, 1)),
        _specular(room, head),
        _scattered(rng, room, head, fan),
        _late(room, exchange, head, fan, seconds),
    )


def _direct(head: Head, ear: int) -> Arrivals:
    way = head.ears[ear] - head.position
    distance = np.linalg.norm(way)
    gain = head.speaker_gain(way) * head.ear_gain(ear, -way)
    return Arrivals(np.array([distance / SPEED_OF_SOUND]), np.array([gain / distance]))


def _specular(room: Room, head: Head) -> tuple[Arrivals, Arrivals]:
    paths = specular_paths(room.surfaces, room.n_shell, ORDER, head.position, head.ears)
    pressure = head.speaker_gain(paths.departure) * np.sqrt(paths.share) / paths.length
    each = []
    for ear in (0, 1):
        here = paths.ear == ear
        arrival = paths.arrival[here]
        gain, shade = head.ear_gain(ear, arrival), head.ear_shade(ear, arrival)
        each.append(Arrivals(paths.length[here] / SPEED_OF_SOUND, gain * pressure[here], shade))
    return tuple(each)


def _rays(rng, room: Room, head: Head, n: int) -> Rays:
    """Cast rays in all directions: the sphere's equal-area spiral, turned at random."""
    z = 1 - 2 * (np.arange(n) + rng.random()) / n
    angle = np.pi * (3 - np.sqrt(5)) * np.arange(n) + rng.uniform(0, 2 * np.pi)
    flat = np.sqrt(1 - z**2)
    direction = np.stack([flat * np.cos(angle), flat * np.sin(angle), z], axis=1)
    distance, surface = cast(room.surfaces, head.position, direction)
    met = surface >= 0
    direction, distance, surface = direction[met], distance[met], surface[met]
    point = head.position + distance[:, None] * direction
    angle = 4 * np.pi / n
    return Rays(direction, distance, surface, point, angle, angle * head.speaker_gain(direction) ** 2)


def _scattered(rng, room: Room, head: Head, rays: Rays) -> tuple[Arrivals, Arrivals]:
    surfaces = room.surfaces
    sign = rng.choice((-1.0, 1.0), len(rays.power))
    sent = rays.power * (1 - surfaces.absorption[rays.surface]) * surfaces.scattering[rays.surface]
    each = []
    for ear in (0, 1):
        way = head.ears[ear] - rays.point
        distance = np.linalg.norm(way, axis=1)
        along = way[np.arange(len(way)), surfaces.axis[rays.surface]]
        cosine = np.maximum(along * surfaces.facing[rays.surface] / distance, 0.0)
        pressure = sign * np.sqrt(sent * cosine / np.pi) / distance * head.ear_gain(ear, -way)
        each.append(Arrivals((rays.distance + distance) / SPEED_OF_SOUND, pressure, head.ear_shade(ear, -way)))
    return tuple(each)


def _late(room: Room, exchange: RadiosityExchange, head: Head, rays: Rays, seconds: float) -> np.ndarray:
    surfaces, patches = room.surfaces, exchange.patches
    patch = patches.of(surfaces, rays.surface, rays.point)
    delay = _steps(rays.distance)
    first = np.zeros((len(patches.area), int(np.ceil(seconds / radiosity.STEP))))
    soon = delay < first.shape[1]
    np.add.at(first, (patch[soon], delay[soon]), rays.power[soon])
    alpha, scattering = surfaces.absorption[patches.surface], surfaces.scattering[patches.surface]
    sent = radiosity.spread(first, exchange.share, exchange.delay, alpha, scattering, ORDER)
    weight = [rays.angle * head.ear_gain(ear, rays.direction) ** 2 for ear in (0, 1)]
    return np.stack([radiosity.gather(sent, patches.area, patch, delay, each) for each in weight])


def _steps(distance):
    return np.rint(distance / SPEED_OF_SOUND / radiosity.STEP).astype(int)
