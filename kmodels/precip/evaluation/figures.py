"""Pictures of an ensemble: maps of draws beside the truth, ranks, spectra, quantiles, return levels, latent units."""

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from kmodels.core.report.figures import BLUE, GREY, ORANGE, figure
from kmodels.core.spec.task import EvaluationInput
from kmodels.precip.data.load import WET
from kmodels.precip.evaluation import spectrum
from kmodels.precip.evaluation.judge import kl_by_dimension
from kmodels.precip.evaluation.metrics import DAYS_A_YEAR, Sums, quantile
from kmodels.precip.evaluation.sampler import Sampler

DRAWS = 4


def draw(evaluated: EvaluationInput) -> dict[str, Figure]:
    """{title: Figure} of held-out days."""
    drawn = evaluated.prediction
    sums = drawn.sums
    return {
        "draws": maps(drawn),
        "rank histogram": rank_histogram(sums),
        "spectra": spectra(sums, drawn.days.domain.shape),
        "quantiles": quantiles(sums),
        "return levels": return_levels(sums),
        "latent dimensions": latent_dimensions(kl_by_dimension(drawn)),
    }


def maps(drawn: Sampler) -> Figure:
    """The day with most rain: the truth, draws from the prior, and one from the posterior."""
    days = drawn.days
    row = int(np.argmax(days.land_mean))
    truth = days.rain(np.array([row]))[0]
    prior = drawn.like(members=min(DRAWS, drawn.members)).fields([row])[0]
    posterior = drawn.like(members=2, mode="posterior").fields([row])[0, :1]
    panels = [("truth", truth), *((f"draw {k + 1}", field) for k, field in enumerate(prior))]
    panels.append(("posterior", posterior[0]))
    made, axes = figure(1.9 * len(panels) + 0.8, 2.6, 1, len(panels))
    norm = PowerNorm(0.5, 0, max(float(truth.max()), 10.0))
    for axis, (title, field) in zip(axes, panels, strict=True):
        shown = np.ma.masked_where(~days.domain.observed | (field < WET), field)
        mesh = axis.imshow(shown, origin="lower", norm=norm, cmap="viridis_r", interpolation="nearest")
        axis.contour(days.domain.land.astype(float), [0.5], colors="black", linewidths=0.5)
        axis.set(title=title, xticks=[], yticks=[])
    made.colorbar(mesh, ax=list(axes), shrink=0.8, label="mm/day")
    return made


def rank_histogram(sums: Sums) -> Figure:
    """How often the truth has each rank among the members; flat where it could be one of them."""
    made, axes = figure(5, 3)
    share = sums.ranks.mean(0)
    axes.stairs(share * len(share), np.arange(len(share) + 1) - 0.5, fill=True, color=BLUE)
    axes.axhline(1, color=GREY, lw=1, ls="--")
    axes.set(xlabel="members below the truth", ylabel="frequency / even share")
    return made


def spectra(sums: Sums, shape) -> Figure:
    """Mean power by wavelength."""
    made, axes = figure(4.6, 3.6)
    scale = 1 / spectrum.wavenumbers(shape)
    axes.loglog(scale, sums.power["truth"].mean(0), color=GREY, label="truth")
    axes.loglog(scale, sums.power["members"].mean(0), color=BLUE, label="draws")
    axes.invert_xaxis()
    axes.set(xlabel="wavelength [cells]", ylabel="power [(mm/day)²]")
    axes.legend(frameon=False)
    return made


def quantiles(sums: Sums) -> Figure:
    """Quantiles of drawn against those of real amounts, over all cells and days."""
    made, axes = figure(4.2, 4.2)
    levels = 1 - np.logspace(-0.3, -5, 60)
    real, drawn = (quantile(sums.histograms[name].sum(0), levels) for name in ("truth", "members"))
    line = [WET, max(real.max(), drawn.max(), 10.0)]
    axes.plot(line, line, color=GREY, lw=1)
    axes.plot(real, drawn, "o-", color=BLUE, ms=3)
    axes.set(xscale="log", yscale="log", xlabel="real [mm/day]", ylabel="drawn [mm/day]", xlim=line, ylim=line)
    return made


def return_levels(sums: Sums) -> Figure:
    """The amount that a cell exceeds once in so many years, all cells taken together."""
    made, axes = figure(4.6, 3.6)
    years = np.logspace(-1.5, np.log10(30), 40)
    level = 1 - 1 / (years * DAYS_A_YEAR)
    for name, colour, label in (("truth", GREY, "truth"), ("members", BLUE, "draws")):
        axes.semilogx(years, quantile(sums.histograms[name].sum(0), level), color=colour, label=label)
    axes.axvline(len(sums.groups) / DAYS_A_YEAR, color=ORANGE, lw=1, ls=":", label="held-out days")
    axes.set(xlabel="return period [years]", ylabel="rain in a cell [mm/day]")
    axes.legend(frameon=False)
    return made


def latent_dimensions(kl: np.ndarray) -> Figure:
    """The divergence of each latent dimension, largest first."""
    made, axes = figure(4.6, 3)
    axes.stairs(np.sort(kl)[::-1], np.arange(len(kl) + 1) + 0.5, fill=True, color=BLUE)
    axes.set(xlabel="latent dimension, by size", ylabel="KL [nats]", title=f"sum {kl.sum():.1f} nats")
    return made
