"""Echoes against closed forms: image sources, inverse squares, Lambert's law, Sabine's decay."""

from dataclasses import replace

import numpy as np
import pytest

from kmodels.echo.data.acoustics import FULL_SCALE, SPEED_OF_SOUND, chirp
from kmodels.echo.data.batvision import SAMPLE_RATE
from kmodels.echo.recipe import Data
from kmodels.echo.simulator import radiosity
from kmodels.echo.simulator.head import RADIUS, Head
from kmodels.echo.simulator.image_sources import specular_paths
from kmodels.echo.simulator.impulse_response import Arrivals, impulse_response, radiosity_exchange
from kmodels.echo.simulator.raycast import surfaces_of
from kmodels.echo.simulator.recording import record, response
from kmodels.echo.simulator.room import Room, build_room

RNG = np.random.default_rng(0)


def wall(distance, absorption=0.0, scattering=0.0, half=2000.0) -> Room:
    """Nothing but a wall, straight ahead of a head in the origin that looks along x."""
    rectangle = (0, (distance, -half, -half), (distance, half, half), -1)
    return Room(surfaces_of([rectangle], absorption, scattering), 1, np.zeros((0, 2, 2)), np.zeros((0, 2, 3)), 0.0)


def respond(room, head=None, seconds=0.07, seed=0, **options):
    head = head or Head(np.zeros(3), 0.0, 0.2)
    return impulse_response(np.random.default_rng(seed), room, radiosity_exchange(room), head, seconds, **options)


def test_direct_sound():
    found = respond(wall(3.0)).direct
    for ear in (0, 1):
        assert found[ear].seconds == pytest.approx(0.1 / SPEED_OF_SOUND)
        assert found[ear].pressure == pytest.approx(1 / 0.1)


@pytest.mark.parametrize("distance", [0.5, 1.0, 2.0, 4.0, 8.0])
def test_a_walls_echo_arrives_after_2d_over_c_with_inverse_square_energy(distance):
    """Energy (1 - absorption) (1 - scattering) / (2 d)^2; the ears are 0.1 m off the axis."""
    found = respond(wall(distance, absorption=0.3, scattering=0.2)).specular
    length = np.hypot(2 * distance, 0.1)
    for ear in (0, 1):
        assert found[ear].seconds == pytest.approx(length / SPEED_OF_SOUND, rel=1e-12)
        assert found[ear].pressure ** 2 == pytest.approx(0.7 * 0.8 / length**2, rel=1e-12)


@pytest.mark.parametrize("distance", [1.0, 2.5, 6.0])
def test_matched_filter_finds_the_echo_in_a_recording(distance):
    """The chirp is found by correlation, to a fifth of a sample, with the loudness 1 / 2 d."""
    data = Data(noise=(80.0, 80.0))
    recording = record(np.random.default_rng(0), respond(wall(distance)), 3112, data)
    signal = chirp(20.0, 20_000.0, 3.0)
    found = np.correlate(recording[:, 0], signal, "full")[len(signal) - 1 :] * FULL_SCALE / (signal**2).sum()
    found[:150] = 0  # the direct arrival
    fine = 8 * np.fft.irfft(np.fft.rfft(found), 8 * len(found))
    at = int(np.argmax(fine))
    assert at / 8 == pytest.approx(np.hypot(2 * distance, 0.1) / SPEED_OF_SOUND * SAMPLE_RATE, abs=0.2)
    assert fine[at] == pytest.approx(1 / np.hypot(2 * distance, 0.1), rel=0.05)


def test_image_sources_in_a_box_form_a_lattice():
    """Allen and Berkley's closed form: along each axis 2 m L + x or 2 m L - x, |2 m| or |2 m - 1| reflections."""
    size, source, ear = np.array([5.0, 4.0, 3.0]), np.array([1.3, 2.2, 1.1]), np.array([1.7, 2.0, 1.4])
    along = [
        [(2 * m * side + sign * x, abs(2 * m - (sign < 0))) for m in range(-2, 3) for sign in (1, -1)]
        for side, x in zip(size, source, strict=True)
    ]
    lengths = []
    for x, a in along[0]:
        for y, b in along[1]:
            lengths += [np.linalg.norm(np.array([x, y, z]) - ear) for z, c in along[2] if 1 <= a + b + c <= 3]
    room = build_room(size, absorption=0.19, scattering=0.0)
    found = specular_paths(room.surfaces, room.n_shell, 3, source, ear[None])
    assert len(lengths) == 62
    np.testing.assert_allclose(np.sort(found.length), np.sort(lengths), rtol=1e-12)
    assert sorted(set(np.round(np.sqrt(found.share), 6))) == [0.729, 0.81, 0.9]


def test_directions_of_departure_and_arrival():
    room = wall(3.0)
    found = specular_paths(room.surfaces, 1, 1, np.array([0.0, -1.0, 0.0]), np.array([[0.0, 1.0, 0.0]]))
    np.testing.assert_allclose(found.departure, [[3.0, 1.0, 0.0]])
    np.testing.assert_allclose(found.arrival, [[3.0, -1.0, 0.0]])


def test_second_order_path_in_a_corner():
    """From (1, 3) over x = 0 and y = 0 to (2, 1): the image is (-1, -3), the points are (0, 5/3) and (5/4, 0)."""
    far = 50.0
    corner = surfaces_of([(0, (0, 0, -far), (0, far, far), 1), (1, (0, 0, -far), (far, 0, far), 1)], 0.0, 0.0)
    found = specular_paths(corner, 2, 2, np.array([1.0, 3.0, 0.0]), np.array([[2.0, 1.0, 0.0]]))
    (k,) = np.flatnonzero(np.isclose(found.length, 5.0))
    assert len(found.length) == 3
    np.testing.assert_allclose(found.departure[k], [-1.0, 5 / 3 - 3, 0.0])
    np.testing.assert_allclose(found.arrival[k], [5 / 4 - 2, -1.0, 0.0])


@pytest.mark.parametrize("side, paths", [(1.0, 0), (-1.0, 0), (3.0, 1)])
def test_an_obstacle_on_either_leg_blocks_the_path(side, paths):
    """A box on the ear's leg, on the source's leg, and on none."""
    low, high = np.array([1.4, side - 0.1, -1.0]), np.array([1.6, side + 0.1, 1.0])
    faces = [(0, low, (1.4, *high[1:]), -1), (0, (1.6, *low[1:]), high, 1)]
    wall_and_box = surfaces_of([(0, (3.0, -50.0, -50.0), (3.0, 50.0, 50.0), -1), *faces], 0.0, 0.0)
    found = specular_paths(wall_and_box, 1, 1, np.array([0.0, -2.0, 0.0]), np.array([[0.0, 2.0, 0.0]]))
    assert np.isclose(found.length, np.hypot(6.0, 4.0)).sum() == paths


def test_furniture_blocks_a_wall_and_reflects_itself():
    empty, full = (build_room((9.0, 9.0, 3.0), boxes=boxes) for boxes in ([], [((6.0, 3.0, 0.0), (6.5, 6.0, 3.0))]))
    place = np.array([4.0, 4.5, 1.5])
    lengths = [
        specular_paths(room.surfaces, room.n_shell, 1, place, place[None]).length.tolist() for room in (empty, full)
    ]
    assert sorted(lengths[0]) == pytest.approx([3.0, 3.0, 8.0, 9.0, 9.0, 10.0])
    assert sorted(lengths[1]) == pytest.approx([3.0, 3.0, 4.0, 8.0, 9.0, 9.0])


def test_no_image_source_is_visible_around_a_corner():
    """In an L the far walls of one leg do not echo into the other one's end."""
    room = build_room((10.0, 10.0, 3.0), cut=(8.0, 8.0))
    place = np.array([9.0, 1.0, 1.5])
    found = specular_paths(room.surfaces, room.n_shell, 1, place, place[None]).length
    assert sorted(found) == pytest.approx([2.0, 2.0, 2.0, 3.0, 3.0, 18.0])


def test_diffuse_reflection_follows_lamberts_law():
    """Energy (1 - absorption) scattering / (2 d^2): the integral of cos / (pi r^2) over the wall's half space."""
    for distance in (1.0, 3.0):
        found = respond(wall(distance, 0.4, 0.5), Head(np.zeros(3), 0.0, 1e-3), rays=100_000).scattered
        energy = (found[0].pressure ** 2).sum()
        assert energy == pytest.approx(0.6 * 0.5 / (2 * distance**2), rel=0.01)
        assert found[0].seconds.min() == pytest.approx(2 * distance / SPEED_OF_SOUND, rel=1e-3)


def test_each_ear_has_its_own_delays():
    """A wall on the left arrives there first, by spacing / c."""
    rectangle = (1, (-50.0, 2.0, -50.0), (50.0, 2.0, 50.0), -1)
    room = replace(wall(1.0), surfaces=surfaces_of([rectangle], 0.0, 0.5))
    left, right = respond(room).specular
    assert right.seconds - left.seconds == pytest.approx(0.2 / SPEED_OF_SOUND)
    left, right = respond(room).scattered
    assert (right.seconds > left.seconds).mean() > 0.99


def test_directivity_of_a_cardioid():
    head = Head(np.zeros(3), 0.5, 0.2, directivity=1.0)
    assert head.speaker_gain(head.forward) == pytest.approx(1.0)
    assert head.speaker_gain(head.right) == pytest.approx(0.5)
    assert head.speaker_gain(-head.forward) == pytest.approx(0.0, abs=1e-12)
    assert head.ear_gain(0, -head.right) > head.ear_gain(0, head.right) == pytest.approx(head.ear_gain(1, -head.right))
    assert Head(np.zeros(3), 0.5, 0.2).ear_gain(1, head.right) == 1.0


def test_shadow_of_a_rigid_head():
    """Low frequencies pass; high ones are doubled on the ear's own side and a tenth of it 150 degrees away."""
    head = Head(np.zeros(3), 0.5, 0.2, shadow=1.0)
    turned = [np.array([np.cos(a), np.sin(a), 0.0]) for a in 0.5 + np.radians([90.0, 0.0, -60.0])]
    frequency = np.fft.rfftfreq(4096, 1 / SAMPLE_RATE)
    s = 1j * np.pi * frequency * RADIUS / SPEED_OF_SOUND
    for alpha, direction in zip((2.0, 1.05 + 0.95 * np.cos(0.6 * np.pi), 0.1), turned, strict=True):
        arrival = Arrivals(np.array([0.02]), np.array([1.0]), head.ear_shade(0, direction))
        spectrum = np.fft.rfft(response((arrival,), np.zeros(9), 4096, RNG))
        expected = (1 + alpha * s) / (1 + s) * np.exp(-2j * np.pi * frequency * 0.02)
        np.testing.assert_allclose(spectrum[:1500], expected[:1500], atol=0.02 * max(1.0, alpha))
    assert Head(np.zeros(3), 0.5, 0.2).ear_shade(0, head.right) == 0.0
    left, _ = respond(build_room((5.0, 4.0, 3.0)), replace(head, position=np.array([2.0, 2.0, 1.0]))).specular
    assert left.shade.shape == left.seconds.shape and left.shade.max() > 0.9 > -0.8 > left.shade.min()


def test_form_factors_conserve_energy_and_are_reciprocal():
    room = build_room((6.0, 5.0, 3.0), cut=(2.0, 2.0), boxes=[((1.0, 1.0, 0.0), (2.0, 1.5, 1.0))])
    patches = radiosity.patches_of(room.surfaces)
    share, _ = radiosity.exchange(room.surfaces, patches)
    assert patches.area.sum() == pytest.approx(room.surfaces.area.sum())
    np.testing.assert_allclose(share.sum(axis=1), 1.0, rtol=1e-12)
    flow = patches.area[:, None] * share
    np.testing.assert_allclose(flow, flow.T, atol=0.01 * flow.max())
    again = patches.of(room.surfaces, patches.surface, patches.centre)
    assert (again == np.arange(len(patches.area))).all()


def test_form_factor_of_facing_squares():
    """Between opposite faces of a cube the share is 0.1998 (Howell's catalogue, C-11)."""
    room = build_room((3.0, 3.0, 3.0))
    patches = radiosity.patches_of(room.surfaces, 6 * 36)
    share, _ = radiosity.exchange(room.surfaces, patches)
    found = share[patches.surface == 0][:, patches.surface == 2].sum(axis=1).mean()
    assert found == pytest.approx(0.1998, rel=0.03)


def energies(room, head, seconds):
    """(steps,) the energy at the left ear in each step, but for the direct arrival."""
    found = respond(room, head, seconds)
    energy = found.late[0].copy()
    for part in (found.specular[0], found.scattered[0]):
        step = (part.seconds / radiosity.STEP).astype(int)
        inside = step < len(energy)
        np.add.at(energy, step[inside], part.pressure[inside] ** 2)
    return energy


ROOMS = [((4.0, 3.5, 3.0), 0.10, 0.3), ((6.0, 5.0, 3.0), 0.2, 0.5), ((8.0, 6.0, 4.0), 0.15, 0.2)]


@pytest.mark.parametrize("size, absorption, scattering", ROOMS)
def test_energy_decays_as_sabine_says(size, absorption, scattering):
    """T60 = 24 ln(10) V / (c absorption S), within 20%; between 5 and 35 dB of Schroeder's integral."""
    room = build_room(size, absorption=absorption, scattering=scattering)
    sabine = 24 * np.log(10) / SPEED_OF_SOUND * room.volume / (absorption * room.surfaces.area.sum())
    head = Head(np.array(size) * (0.4, 0.55, 0.45), 0.3, 0.2)
    energy = energies(room, head, sabine)
    decibels = 10 * np.log10(np.cumsum(energy[::-1])[::-1] / energy.sum())
    steps = np.flatnonzero((decibels < -5) & (decibels > -35))
    slope = np.polyfit(steps * radiosity.STEP, decibels[steps], 1)[0]
    assert -60 / slope == pytest.approx(sabine, rel=0.2)


@pytest.mark.parametrize("size, absorption, scattering", ROOMS)
def test_all_echoes_together_are_the_reverberant_energy(size, absorption, scattering):
    """16 pi (1 - absorption) / (absorption S), that of a diffuse field; where the head stands changes a little."""
    room = build_room(size, absorption=absorption, scattering=scattering)
    surface = absorption * room.surfaces.area.sum()
    sabine = 24 * np.log(10) / SPEED_OF_SOUND * room.volume / surface
    head = Head(np.array(size) * (0.4, 0.55, 0.45), 0.3, 0.2)
    expected = 16 * np.pi * (1 - absorption) / surface
    assert energies(room, head, sabine).sum() == pytest.approx(expected, rel=0.15)


def test_without_absorption_energy_stays():
    room = build_room((4.0, 3.5, 3.0), absorption=0.0, scattering=0.3)
    energy = energies(room, Head(np.array([1.6, 1.9, 1.3]), 0.0, 0.2), 0.4)
    late = energy[100:].reshape(3, 100).mean(axis=1)
    expected = 4 * np.pi * SPEED_OF_SOUND / room.volume * radiosity.STEP  # power x time x c / volume
    np.testing.assert_allclose(late, expected, rtol=0.1)


def test_an_impulse_between_samples():
    """A band-limited impulse at 100.37 samples has the phase of that delay, and its energy."""
    delay = 100.37
    found = response((Arrivals(np.array([delay / SAMPLE_RATE]), np.array([2.0])),), np.zeros(9), 400, RNG)
    spectrum = np.fft.rfft(found)[10:150]  # up to 16.5 kHz
    turns = np.unwrap(np.angle(spectrum)) / (2 * np.pi)
    slope = np.polyfit(np.arange(10, 150) / 400, turns, 1)[0]
    assert -slope == pytest.approx(delay, abs=0.02)
    assert (found**2).sum() == pytest.approx(4.0, rel=0.02)


def test_late_energy_becomes_noise_of_that_energy():
    late = np.array([0.0, 0.0, 5.0, 1.0, *np.zeros(20)])
    found = [response((Arrivals(np.zeros(1), np.zeros(1)),), late, 800, np.random.default_rng(k)) for k in range(200)]
    step = (np.arange(800) / SAMPLE_RATE / radiosity.STEP).astype(int)
    energy = np.array([(np.array(found)[:, step == k] ** 2).sum(axis=1).mean() for k in range(6)])
    np.testing.assert_allclose(energy, late[:6], rtol=0.1, atol=1e-12)


@pytest.mark.parametrize("decibels", [15.0, 40.0])
def test_signal_to_noise_ratio(decibels):
    """Against the echoes: the direct arrival, ten times louder, does not count."""
    found = respond(build_room((5.0, 4.0, 3.0)), Head(np.array([2.0, 2.0, 1.0]), 0.0, 0.2))
    silent = found._replace(direct=tuple(Arrivals(each.seconds, 0 * each.pressure) for each in found.direct))
    quiet, noisy, echoes = (
        record(np.random.default_rng(1), what, 3112, Data(noise=(level, level)))
        for what, level in ((found, 300.0), (found, decibels), (silent, 300.0))
    )
    ratio = 10 * np.log10((echoes**2).mean() / ((noisy - quiet) ** 2).mean())
    assert ratio == pytest.approx(decibels, abs=0.3)


def test_chirp_sweeps_its_band():
    signal = chirp(20.0, 20_000.0, 3.0)
    assert len(signal) == 132 and np.abs(signal).max() <= 1
    spectrum = np.abs(np.fft.rfft(signal, 4410)) ** 2  # 10 Hz a bin
    assert spectrum[:2000].sum() > 0.97 * spectrum.sum()
    halves = [np.abs(np.fft.rfft(half, 4410)) ** 2 for half in np.split(signal, 2)]
    centres = [(half * np.arange(2206) * 10).sum() / half.sum() for half in halves]
    assert centres == pytest.approx([5000, 15_000], rel=0.15)
