"""The table and the picture of the search for a source."""

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import binomtest

from kmodels.core.report import figures, tables
from kmodels.plume.studies import source
from kmodels.plume.studies.release import Release


def table(cases: list[dict]) -> str:
    """Tabulate how often place and rate are right, with 95% intervals over cases."""
    rows = [["", "within one cell", "rate within 1.5", "median distance [cells]", "median factor", "seconds a case"]]
    for name in (source.NETWORK, source.LIBRARY):
        found = [case[name] for case in cases]
        near = np.array([one["distance_cells"] <= source.NEAR for one in found])
        right = np.array([one["rate_factor"] <= source.FACTOR for one in found])
        medians = [
            float(np.median([one[key] for one in found])) for key in ("distance_cells", "rate_factor", "seconds")
        ]
        cells = [_share(near), _share(right), f"{medians[0]:.2f}", f"{medians[1]:.2f}", f"{medians[2]:.1f}"]
        rows.append([name, *cells])
    return tables.table(rows)


def _share(flags: np.ndarray) -> str:
    interval = binomtest(int(flags.sum()), len(flags)).proportion_ci(method="wilson")
    return f"{flags.mean():.0%} ({interval.low:.0%} to {interval.high:.0%})"


def left_open(cases: list[dict]) -> str:
    """Say in how many cases the records leave place or rate open, and how often those are right that they determine."""
    told = [case for case in cases if not source.is_undetermined(case)]
    line = f"The masts leave place or rate open in {len(cases) - len(told)} of {len(cases)} cases"
    if not told:
        return f"{line}."
    near, right, _ = source.shares(told, source.NETWORK)
    return f"{line}; in the others {near:.0%} of the network's places and {right:.0%} of its rates are right."


def measured(record: dict) -> str:
    """Say where the figures come from, in one line."""
    return (
        f"Measured {record['date'][:10]} on {record['backend']}: {len(record['cases'])} releases, {record['masts']} "
        f"masts, {record['frames']} frames, noise {record['noise']:.0%}, {tables.machine(record['hardware'])}."
    )


def plot(case: Release, shown: dict) -> Figure:
    """Plot a search: the library's misfit of every column with both answers, and the records of the masts."""
    made, axes = figures.figure(11, 4.6, 1, 2)
    _, dy, dx = case.cell
    ny, nx = shown["map"].shape
    extent = (0, nx * dx / 1e3, 0, ny * dy / 1e3)
    image = axes[0].imshow(np.log10(shown["map"]), origin="lower", extent=extent, cmap="viridis")
    made.colorbar(image, ax=axes[0], label="log10 of the library's misfit", shrink=0.8)
    path = (shown["path"][:, :2] + 0.5) * (dx / 1e3, dy / 1e3)
    axes[0].plot(*path.T, ".-", color="black", linewidth=0.8, markersize=3, label="tried by gradients")
    axes[0].plot(*((case.masts[:, :0:-1] + 0.5) * (dx / 1e3, dy / 1e3)).T, "^", color="black", label="masts")
    marks = {"truth": (case.source, "*", 14), "network": (shown["found"][source.NETWORK], "o", 9)}
    marks["library"] = (shown["found"][source.LIBRARY], "s", 7)
    for name, (place, marker, size) in marks.items():
        style = {"markersize": size, "markerfacecolor": "none", "markeredgewidth": 1.8, "color": figures.RED}
        axes[0].plot(place.x / 1e3, place.y / 1e3, marker, label=name, linestyle="none", **style)
    axes[0].set_xlabel("east [km]")
    axes[0].set_ylabel("north [km]")
    axes[0].legend(loc="upper left", bbox_to_anchor=(0, -0.15), ncols=3, frameon=False)
    minutes = np.arange(1, len(case.recorded) + 1) * case.seconds / 60
    axes[1].semilogy(minutes, np.where(case.recorded > 0, case.recorded, np.nan) * 1e9)
    axes[1].set_xlabel("minutes since the release began")
    axes[1].set_ylabel("recorded by each mast [ug m-3]")
    return made
