"""How much it rains in a cell on a day, as a function of a standard normal latent variable.

A share 1 - w of cells is dry; the amounts y > 0 [mm/day] of the others follow the extended generalized Pareto law

    F(y) = H(y)^kappa,   H(y) = 1 - (1 + xi y / sigma)^(-1/xi)

whose upper tail is a generalized Pareto's of shape xi, and whose lower one goes as y^kappa (Naveau, Huser, Ribereau and
Hannart 2016, Water Resour. Res. 52, 2753-2769, their first model). Latent z and amount y belong together where

    Phi(z) = 1 - w + w F(y)

Everything is computed from the upper tail's probabilities, so that the rarest amounts keep their digits.
"""

import numpy as np
from scipy.special import ndtr, ndtri


def dry_below(marginal) -> float:
    """Compute the latent value below which it does not rain: Phi^-1(1 - w). marginal: a recipe's data.marginal."""
    return float(-ndtri(marginal.wet_share))


def exceedance(rain, marginal) -> np.ndarray:
    """Compute P(Y > rain) of a cell, 1 below 0. rain: [mm/day], any shape."""
    rain = np.asarray(rain, float)
    log_tail = -np.log1p(marginal.xi * np.maximum(rain, 0) / marginal.sigma) / marginal.xi  # log(1 - H)
    with np.errstate(divide="ignore"):  # no rain: H = 0
        # Two ways to write log(1 - e^t), each exact where the other loses digits.
        log_h = np.where(log_tail > -np.log(2), np.log(-np.expm1(log_tail)), np.log1p(-np.exp(log_tail)))
    return np.where(rain < 0, 1.0, -marginal.wet_share * np.expm1(marginal.kappa * log_h))


def from_latent(z, marginal) -> np.ndarray:
    """Compute the amount [mm/day] of a standard normal value, 0 below `dry_below`. z: any shape."""
    rarity = np.minimum(ndtr(-np.asarray(z, float)) / marginal.wet_share, 1.0)  # 1 - F
    with np.errstate(divide="ignore"):  # dry: log 0
        tail = -np.expm1(np.log1p(-rarity) / marginal.kappa)  # 1 - H
    return marginal.sigma * np.expm1(-marginal.xi * np.log(tail)) / marginal.xi + 0.0  # not -0


def to_latent(rain, marginal) -> np.ndarray:
    """Compute the latent value of an amount; of no rain the largest one, `dry_below`. rain: [mm/day], 0 or more."""
    return -ndtri(exceedance(rain, marginal))
