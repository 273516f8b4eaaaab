"""Forecast where a cloud of pollutant over terrain will be in the next minutes.

::

    dc/dt + div(u c) = div(K grad c) + q,   no flux through ground and lid, open sides

The past concentration volumes, the wind and static maps go in, the next volume comes out, and step after step the next
thirty. `PlumeNet` solves the equation; a U-Net that remembers (ConvLSTM) gives what no file tells: diffusivities, lid,
plume rise and the error of the wind. `PlumePreprocessor` makes its inputs from runs.

References
----------
Shi et al. (2015), Convolutional LSTM Network, arXiv:1506.04214. Chang and Hanna (2004), Air quality model performance
evaluation, Meteorol. Atmos. Phys. 87, 167-196.
"""

from kmodels import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "network.model": ["PlumeNet"],
        "data.encode": ["PlumePreprocessor"],
        "data.load": ["load"],
        "recipe": ["PlumeRecipe"],
    },
)
