"""Lambert's projection against Snyder's worked example and in closed form."""

import numpy as np
import pytest

from kmodels.precip.simulator.lambert import Lambert


def test_snyders_example():
    """Snyder 1987, page 295: 35 N 75 W on a sphere of radius 1, parallels 33 and 45 N, origin 23 N 96 W."""
    projection = Lambert((33.0, 45.0), 23.0, -96.0, radius=1.0)
    assert projection.cone == pytest.approx(0.6304777, abs=1e-7)
    x, y = projection.project(35.0, -75.0)
    assert (x, y) == (pytest.approx(0.2966785, abs=1e-7), pytest.approx(0.2462112, abs=1e-7))


def test_the_origin_and_its_meridian():
    """At the standard parallel the scale is 1: a small step northward is the arc's length."""
    projection = Lambert((49.5,), 49.5, 10.5)
    assert np.allclose(projection.project(49.5, 10.5), 0, atol=1e-6)
    x, y = projection.project(49.51, 10.5)
    assert x == pytest.approx(0, abs=1e-6) and y == pytest.approx(np.radians(0.01) * projection.radius, rel=1e-6)


@pytest.mark.parametrize("projection", [Lambert((49.5,), 49.5, 10.5), Lambert((-30.0, -40.0), -35.0, 170.0)])
def test_places_and_back(projection):
    lat, lon = np.meshgrid(projection.lat + np.linspace(-9, 9, 7), projection.lon + np.linspace(-20, 20, 5))
    found = projection.places(*projection.project(lat, lon))
    np.testing.assert_allclose(found[0], lat, atol=1e-9)
    np.testing.assert_allclose((found[1] - lon + 180) % 360 - 180, 0, atol=1e-9)
