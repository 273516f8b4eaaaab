"""Which fine fields of daily rain, extremes included, are plausible for one coarse state of the atmosphere?

A conditional variational autoencoder learns p(Y | X), Y the rain of a day on a fine grid [mm/day], X some variables on
a coarse grid around it, and draws as many Y as one asks for. The loss is a weighted absolute error that does not
forget heavy rain, plus the Kullback-Leibler divergence between the latent posterior and the prior.

Kingma and Welling 2014, arXiv:1312.6114; Sohn, Lee and Yan 2015, NeurIPS 28 (conditional VAE); Naveau, Huser, Ribereau
and Hannart 2016, Water Resour. Res. 52, 2753-2769 (the marginal law of rain).
"""
