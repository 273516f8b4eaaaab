"""The ladder of metasurface: the seed's net, each of its seven points alone, all of them together, and waves in it."""

from typing import Any

from kmodels.core.spec.ladder import Ladder, Step
from kmodels.metasurface.gates import GATES

# The seed's seven points in its order: what is done, the field, the seed's value, ours.
POINTS: tuple[tuple[str, str, str, Any, Any], ...] = (
    ("tokens are normalised", "model", "memory_norm", False, True),
    ("the global feature scales, too", "model", "film", "shift", "scale_shift"),
    ("a head for each detector", "model", "head", "shared", "per_detector"),
    ("gradients clipped at 1.0", "train", "clip_norm", 0.5, 1.0),
    ("second differences in the loss", "train", "w_curvature", 0.0, 0.1),
    ("no dropout in the decoder", "model", "decoder_dropout", 0.03, 0.0),
    ("65 tokens", "model", "tokens", 17, 65),
)


def fields(*fixed: int) -> dict[str, dict]:
    """All seven fields, those of the points in `fixed` (1 .. 7) with our value, the others the seed's; no waves."""
    found: dict[str, dict] = {"model": {"waves": 0}, "train": {}}
    for number, (_, section, name, seed, ours) in enumerate(POINTS, 1):
        found[section][name] = ours if number in fixed else seed
    return found


def alone(number: int) -> Step:
    """The rung that mends one point; the other six are as the seed has them, whatever the rung before it mends."""
    what, section, name, seed, ours = POINTS[number - 1]
    change = f"against step 0, {what}: {section}.{name} = {seed} becomes {ours}; the other six points are the seed's"
    return Step(name, change, fields(number))


LADDER = Ladder(
    (
        Step("the seed's", "all seven points as the seed has them", fields()),
        *(alone(number) for number in range(1, 8)),
        Step(
            "all seven",
            "all seven points mended",
            fields(1, 2, 3, 4, 5, 6, 7),
            GATES[1:4],
        ),
        Step(
            "waves",
            "six slices of wave optics in the network, which learn what so few leave out; the rest corrects them",
            {"model": {"waves": 6}},
            GATES[1:4],
        ),
    ),
    figures=("r2", "peaks_within_2nm", "mae", "rmse", "seed_loss", "peak_error"),
)
