"""Pictures of an ensemble: maps of samples beside the truth, ranks, spectra, quantiles, return levels, latent units."""

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from kmodels.core.report.figures import BLUE, GREY, ORANGE, figure
from kmodels.core.spec.task import EvaluationInput
from kmodels.precip.data.load import WET
from kmodels.precip.evaluation import spectrum
from kmodels.precip.evaluation.daily_statistics import DailyStatistics, ExampleDay, SampleStatistics
from kmodels.precip.evaluation.metrics import DAYS_A_YEAR, quantile


def plot(evaluated: EvaluationInput) -> dict[str, Figure]:
    """Plot what was sampled for held-out days: {title: Figure}."""
    samples = evaluated.prediction.statistics
    more = {"quantiles": quantiles(samples.prior), "return levels": return_levels(samples.prior)}
    return of_epoch(samples) | more


def of_epoch(samples: SampleStatistics) -> dict[str, Figure]:
    """Plot what is looked at after every epoch, too."""
    return {
        "samples": maps(samples.example),
        "rank histogram": rank_histogram(samples.prior),
        "spectra": spectra(samples.prior, samples.example.domain.shape),
        "latent dimensions": latent_dimensions(samples.kl_by_dimension),
    }


def maps(example: ExampleDay) -> Figure:
    """Plot the truth of a day, fields from the prior, and one from the posterior."""
    domain, truth = example.domain, example.truth
    panels = [("truth", truth), *((f"sample {k + 1}", field) for k, field in enumerate(example.prior))]
    panels.append(("posterior", example.posterior))
    made, axes = figure(1.9 * len(panels) + 0.8, 2.6, 1, len(panels))
    norm = PowerNorm(0.5, 0, max(float(truth.max()), 10.0))
    for axis, (title, field) in zip(axes, panels, strict=True):
        shown = np.ma.masked_where(~domain.observed | (field < WET), field)
        mesh = axis.imshow(shown, origin="lower", norm=norm, cmap="viridis_r", interpolation="nearest")
        axis.contour(domain.land.astype(float), [0.5], colors="black", linewidths=0.5)
        axis.set(title=title, xticks=[], yticks=[])
    made.colorbar(mesh, ax=list(axes), shrink=0.8, label="mm/day")
    return made


def rank_histogram(daily: DailyStatistics) -> Figure:
    """Plot how often the truth has each rank among the members; flat where it could be one of them."""
    made, axes = figure(5, 3)
    share = daily.ranks.mean(0)
    axes.stairs(share * len(share), np.arange(len(share) + 1) - 0.5, fill=True, color=BLUE)
    axes.axhline(1, color=GREY, lw=1, ls="--")
    axes.set(xlabel="members below the truth", ylabel="frequency / even share")
    return made


def spectra(daily: DailyStatistics, shape) -> Figure:
    """Plot the mean power by wavelength."""
    made, axes = figure(4.6, 3.6)
    scale = 1 / spectrum.wavenumbers(shape)
    axes.loglog(scale, daily.power["truth"].mean(0), color=GREY, label="truth")
    axes.loglog(scale, daily.power["members"].mean(0), color=BLUE, label="samples")
    axes.invert_xaxis()
    axes.set(xlabel="wavelength [cells]", ylabel="power [(mm/day)²]")
    axes.legend(frameon=False)
    return made


def quantiles(daily: DailyStatistics) -> Figure:
    """Plot quantiles of sampled against those of real amounts, over all cells and days."""
    made, axes = figure(4.2, 4.2)
    levels = 1 - np.logspace(-0.3, -5, 60)
    real, sampled = (quantile(daily.histograms[name].sum(0), levels) for name in ("truth", "members"))
    line = [WET, max(real.max(), sampled.max(), 10.0)]
    axes.plot(line, line, color=GREY, lw=1)
    axes.plot(real, sampled, "o-", color=BLUE, ms=3)
    axes.set(xscale="log", yscale="log", xlabel="real [mm/day]", ylabel="sampled [mm/day]", xlim=line, ylim=line)
    return made


def return_levels(daily: DailyStatistics) -> Figure:
    """Plot the amount that a cell exceeds once in so many years, all cells taken together."""
    made, axes = figure(4.6, 3.6)
    years = np.logspace(-1.5, np.log10(30), 40)
    level = 1 - 1 / (years * DAYS_A_YEAR)
    for name, colour, label in (("truth", GREY, "truth"), ("members", BLUE, "samples")):
        axes.semilogx(years, quantile(daily.histograms[name].sum(0), level), color=colour, label=label)
    axes.axvline(len(daily.groups) / DAYS_A_YEAR, color=ORANGE, lw=1, ls=":", label="held-out days")
    axes.set(xlabel="return period [years]", ylabel="rain in a cell [mm/day]")
    axes.legend(frameon=False)
    return made


def latent_dimensions(kl: np.ndarray) -> Figure:
    """Plot the divergence of each latent dimension, largest first."""
    made, axes = figure(4.6, 3)
    axes.stairs(np.sort(kl)[::-1], np.arange(len(kl) + 1) + 0.5, fill=True, color=BLUE)
    axes.set(xlabel="latent dimension, by size", ylabel="KL [nats]", title=f"sum {kl.sum():.1f} nats")
    return made
