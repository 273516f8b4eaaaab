"""Depth from a chirp's binaural echoes.

::

    residual = tanh(.) residual_range max_depth
    depth    = clip(base + residual, 0, max_depth)

A robot emits a chirp and records the echoes of a room with two ears; the depth image in front of the robot is the
output. The base is the coarse room, the residual what differs from it. `RangeAzimuthNet` hears range and direction, and
its base is walls by direction, floor and ceiling. `EchoNet` reads the magnitude spectrograms of both ears, as the field
does, by an encoder and a decoder for each part. See README.md in this folder for the data format.

References
----------
Christensen, Hornauer and Yu (2020), BatVision: Learning to see 3D spatial layout with two ears.
Brunetto, Hornauer, Yu and Moutarde (2023), The audio-visual BatVision dataset.
"""

from kmodels import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "network.model": ["EchoNet"],
        "network.range_azimuth_net": ["RangeAzimuthNet"],
        "data.encode": ["EchoPreprocessor", "lowpass_depth"],
        "data.load": ["load"],
        "recipe": ["EchoRecipe"],
    },
)
