"""What was understood of a user's recordings and depths: a table, and a picture."""

import numpy as np
from matplotlib.figure import Figure

from kmodels.core.report.figures import figure
from kmodels.echo.data.records import EchoPairs

SHOWN, LOOKED_AT = 3, 200  # pairs in the picture; pairs, evenly over the data set, whose depths are looked at


def describe(pairs: EchoPairs) -> dict[str, str]:
    """Tabulate pairs, places, files' own parts, and depths."""
    names, counts = np.unique(pairs.part, return_counts=True)
    parts = [f"{name or 'other'} {count}" for name, count in zip(names, counts, strict=True)]
    found = {
        "pairs": f"{len(pairs)} from {len(np.unique(pairs.groups))} places",
        "by CSV": ", ".join(parts),
        "images": f"{pairs.size} x {pairs.size} pixels",
    }
    if pairs.depths is not None:
        depth = pairs.depth(_some(pairs))
        known = depth[depth > 0]
        low, middle, high = np.quantile(known, [0.01, 0.5, 0.99])
        found["depth [m]"] = (
            f"median {middle:.2f}, 1% below {low:.2f}, 1% above {high:.2f}; {np.mean(depth == 0):.0%} unknown, "
            f"{np.mean(known >= pairs.max_depth):.0%} cut off at {pairs.max_depth:g}"
        )
    return found


def _some(pairs: EchoPairs) -> np.ndarray:
    return np.unique(np.linspace(0, len(pairs) - 1, LOOKED_AT).astype(int))


def picture(pairs: EchoPairs) -> Figure:
    """Draw pairs from different places: what is heard, and the depth."""
    rows = _some(pairs)[np.linspace(0, len(_some(pairs)) - 1, min(SHOWN, len(pairs))).astype(int)]
    seen = pairs.depths is not None
    made, axes = figure(3.2 * len(rows), 5.6 if seen else 3.0, 1 + seen, len(rows))
    axes = np.reshape(axes, (1 + seen, len(rows)))
    for k, row in enumerate(rows):
        heard, labels = _heard(pairs, row)
        axes[0, k].imshow(heard, origin="lower", cmap="magma", aspect="auto")
        axes[0, k].set(title=str(pairs.names[row]), xticks=[], yticks=[], **labels)
        if seen:
            shown = np.ma.masked_equal(pairs.depth([row])[0], 0)
            mesh = axes[1, k].imshow(shown, vmin=0, vmax=pairs.max_depth, cmap="viridis_r")
            axes[1, k].set(xticks=[], yticks=[])
    if seen:
        made.colorbar(mesh, ax=list(axes[1]), label="depth [m]", shrink=0.8)
    return made


def _heard(pairs: EchoPairs, row: int) -> tuple[np.ndarray, dict[str, str]]:
    """Make an image of what a front end keeps of a recording, and name its axes (upwards, to the right)."""
    sound = {name: values[0] for name, values in pairs.sound([row]).items()}
    if "spectrogram" in sound:
        left = sound["spectrogram"][..., 0]
        return np.log10(left + 1e-3 * left.max() + 1e-12), {"xlabel": "time", "ylabel": "frequency, left ear"}
    if "correlation" in sound:
        louder = sound["profile"].mean(-1, keepdims=True)
        return sound["correlation"].mean(-1) * (louder - louder.min()), {"xlabel": "left to right", "ylabel": "range"}
    return sound["profile"], {"xlabel": "band, ear", "ylabel": "range"}
