"""The decoder's view of a coarse map whose grid does not nest, in closed form."""

import keras
import numpy as np
import pytest
from keras import ops

from kmodels.precip import PrecipVAE
from kmodels.precip.data.grids import places_on, sampled
from kmodels.precip.network.layers import Places
from kmodels.precip.simulator import regional

FINE, COARSE = (16, 24), (5, 6)
SIZES = {"base_filters": 2, "d_z": 4, "rain_pool": 2, "rain_hidden": 8, "decoder_hidden": 8, "noise": 1}
WHERE = places_on(*regional.fine_places(FINE), *regional.coarse_places(COARSE))


def layer(size=FINE) -> Places:
    made = Places(size, COARSE)
    made.assign(WHERE)
    return made


def test_a_linear_map_is_exact_at_every_resolution():
    """Row + 10 column of the coarse grid, at the middles of 1, 2 x 2 and 4 x 4 cells."""
    rows, columns = np.meshgrid(np.arange(5.0), np.arange(6.0), indexing="ij")
    maps = np.stack([rows + 10 * columns, 0 * rows + 3], axis=-1)[None].repeat(2, 0).astype("float32")
    expected = WHERE @ [1.0, 10.0]
    for size in (1, 2, 4):
        found = ops.convert_to_numpy(layer((16 // size, 24 // size))(maps))
        blocks = expected.reshape(16 // size, size, 24 // size, size).mean((1, 3))
        np.testing.assert_allclose(found[1, ..., 0], blocks, atol=2e-2 if size > 2 else 5e-3)
        np.testing.assert_allclose(found[..., 1], 3, rtol=1e-6)


def test_any_map_is_interpolated_as_numpy_does():
    maps = np.random.default_rng(0).normal(size=(3, 5, 6, 2)).astype("float32")
    found = ops.convert_to_numpy(layer()(maps))
    np.testing.assert_allclose(np.moveaxis(found, -1, 1), sampled(np.moveaxis(maps, -1, 1), WHERE), atol=1e-5)


def test_at_first_both_grids_cover_the_same_area():
    maps = np.random.default_rng(0).normal(size=(1, 5, 6, 1)).astype("float32")
    found = Places(FINE, COARSE)(maps)
    resized = ops.image.resize(maps, FINE, interpolation="bilinear", antialias=False, data_format="channels_last")
    np.testing.assert_allclose(ops.convert_to_numpy(found), ops.convert_to_numpy(resized), atol=1e-5)


@pytest.fixture(scope="module")
def network():
    made = PrecipVAE(FINE, COARSE, ("pr", "z_850"), nested=False, **SIZES)
    made.locate(WHERE)
    return made


def test_coarse_rain_is_not_kept_and_places_are_saved(network, tmp_path):
    assert network.architecture.kept_channel is None and "coarse" not in network.outputs
    network.save(tmp_path / "net.keras")
    again = keras.saving.load_model(tmp_path / "net.keras")
    assert set(again.places) == {0, 1, 2} and max(one.difference(WHERE) for one in again.places.values()) == 0
    assert again.get_config() == network.get_config() and not again.architecture.nested


def test_the_decoder_sees_the_map_where_the_region_lies(network):
    """A coarse cell out of reach of the region's middles changes nothing in the map's part."""
    rng = np.random.default_rng(0)
    given = {name: rng.normal(size=(1, *i.shape[1:])).astype("float32") for name, i in network.decoder.input.items()}
    far = np.floor(WHERE.reshape(-1, 2)).min(0).astype(int)[0] - 1
    assert far >= 0, "a row of coarse cells south of the region"
    changed = given["map"].copy()
    changed[:, far] += 5
    one, other = (ops.convert_to_numpy(network.decoder(given | {"map": m})) for m in (given["map"], changed))
    np.testing.assert_array_equal(one, other)
    changed[:, far + 1] += 5
    assert np.abs(ops.convert_to_numpy(network.decoder(given | {"map": changed})) - one).max() > 1e-3


def test_bad_places_are_refused(network):
    with pytest.raises(ValueError, match=r"shape \(16, 6, 2\); expected \(16, 24, 2\), rows from 0 to 4 and columns"):
        network.locate(np.zeros((16, 6, 2)))
    with pytest.raises(ValueError, match="rows from 0 to 4"):
        network.locate(np.full((16, 24, 2), np.nan))


def test_a_nested_network_has_no_places():
    made = PrecipVAE((16, 12), (4, 3), **SIZES)
    assert not made.places and made.get_config()["nested"]
    with pytest.raises(ValueError, match="PrecipVAE: locate: nested=True"):
        made.locate(np.zeros((16, 12, 2)))
