"""Plausible fine fields of daily rain, extremes included, for one coarse state of the atmosphere.

::

    z ~ p(z | X),   Y = decoder(z, X, noise)

A conditional variational autoencoder learns p(Y | X), Y the rain of a day on a fine grid [mm/day], X some variables on
a coarse grid around it, and samples as many Y as one asks for. The loss is a weighted absolute error that does not
forget heavy rain, the Kullback-Leibler divergence between the latent posterior and the prior, and the fair CRPS of
sampled fields.

References
----------
Kingma and Welling 2014, arXiv:1312.6114. Sohn, Lee and Yan 2015, NeurIPS 28 (conditional VAE). Naveau, Huser, Ribereau
and Hannart 2016, Water Resour. Res. 52, 2753-2769 (the marginal law of rain).
"""

from kmodels import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "network.model": ["PrecipVAE"],
        "data.encode": ["PrecipPreprocessor"],
        "data.load": ["load"],
        "recipe": ["PrecipRecipe"],
    },
)
