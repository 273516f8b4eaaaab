"""What layers have in common that solve for the light in a structure: its geometry, its materials and the band."""

import keras

from kmodels.core.spec.arguments import check_choice
from kmodels.metasurface.data.layout import GEOMETRY
from kmodels.metasurface.simulator.materials import SELLMEIER


class StructureLayer(keras.layers.Layer):
    """A layer that solves for the light in structures of one geometry, in float32 whatever its policy.

    Parameters
    ----------
    band : tuple of float
        Shortest and longest wavelength [nm].
    period, height, distance : float
        Of the structure, of the silicon nitride, and from the pattern to the camera pixels [nm].
    cover, gap, spacer : str
        Materials above the pattern, in its gaps, and below it: names in SELLMEIER.
    **kwargs
        `name`, `dtype` and `trainable` of a `keras.layers.Layer`.
    """

    def __init__(
        self,
        *,
        band: tuple[float, float] = (400.0, 700.0),
        period: float = 1000.0,
        height: float = 600.0,
        distance: float = 2000.0,
        cover: str = "air",
        gap: str = "air",
        spacer: str = "silica",
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        for name, material in (("cover", cover), ("gap", gap), ("spacer", spacer)):
            check_choice(type(self).__name__, name, material, SELLMEIER)
        self.band, self.period, self.height, self.distance = tuple(band), period, height, distance
        self.cover, self.gap, self.spacer = cover, gap, spacer

    def get_config(self):
        """Return the constructor's arguments."""
        return {**super().get_config(), **{name: getattr(self, name) for name in ("band", *GEOMETRY)}}
