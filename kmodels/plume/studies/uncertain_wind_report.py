"""Tables and picture of forecasts under a wind that is wrong."""

import numpy as np
from matplotlib.figure import Figure

from kmodels.core.report import figures, tables


def table(record: dict) -> str:
    """Tabulate the forecasts under the wrong wind, and the ensembles."""
    lead = record["lead"]
    rows = [["under a wrong wind", f"FAC2 at lead {lead}", "95% interval", "FAC2, all leads", "FB", "MSE [ug2 m-6]"]]
    for name, of in record["single"].items():
        low, high = of["interval"]
        interval = "-" if low is None else f"{low:.3f}-{high:.3f}"
        figures_of = [f"{of['fac2']:.3f}", f"{of['abs_fb']:.3f}", f"{of['mse']:.4g}"]
        rows.append([name.replace("_", " "), f"{of[f'fac2_lead_{lead}']:.3f}", interval, *figures_of])
    second = [["ensemble of", "spread / skill", f"at lead {lead}", "Brier score", "of one member"]]
    for name, of in record["ensemble"].items():
        ratios = [f"{of['spread_skill']:.2f}", f"{of[f'spread_skill_lead_{lead}']:.2f}"]
        second.append([name.replace("_", " "), *ratios, f"{of['brier']:.4f}", f"{of['brier_of_one']:.4f}"])
    where = (
        f"Measured {record['date'][:10]} on {record['backend']}: {record['windows']} held-out windows, wind in error "
        f"by {record['degrees']:g} degrees and {record['share']:.0%}, {record['members']} members of {record['runs']} "
        f"networks, {tables.machine(record['hardware'])}."
    )
    return f"{tables.table(rows)}\n\n{tables.table(second)}\n\n{where}"


def plot(shown: dict) -> Figure:
    """Plot where a threshold is exceeded, truth and probability by ensemble, over all heights, and the reliability."""
    made, axes = figures.figure(13, 3.8, 1, 2 + len(shown["maps"]))
    panels = {"truth": shown["truth"].astype(float)} | shown["maps"]
    for one, (name, field) in zip(axes, panels.items(), strict=False):
        image = one.imshow(np.max(field, axis=0), origin="lower", vmin=0, vmax=1, cmap="magma_r")
        one.set(title=name.replace("_", " "), xlabel="east [cells]", ylabel="north [cells]")
    made.colorbar(image, ax=axes[: len(panels)], label="probability of 10 ug m-3", shrink=0.8)
    last = axes[-1]
    last.plot([0, 1], [0, 1], color=figures.GREY, lw=1, ls="--")
    for (name, of), color in zip(shown["reliability"].items(), (figures.BLUE, figures.ORANGE), strict=True):
        mean, observed, _ = np.transpose(of["reliability"])
        last.plot(mean, observed, "o-", color=color, label=name.replace("_", " "))
    last.set(xlabel="predicted probability", ylabel="observed frequency", xlim=(0, 1), ylim=(0, 1))
    last.legend(frameon=False)
    return made
