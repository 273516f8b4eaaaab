"""The ladder of metasurface: the prototype's network, its seven points one by one, all together, propagation.

Up to there it stands on scalar spectra, of which there are thousands; then on rigorous ones.
"""

from typing import Any

from kmodels.core.spec.gate import Gate
from kmodels.core.spec.ladder import Ladder, Step
from kmodels.core.spec.recipe import merge
from kmodels.metasurface.recipe import RECIPE, SCALAR

GATES = (
    Gate("R2 against the mean spectrum", "r2", 0.985, "this project"),
    Gate("peak position error", "peak_error", 1.8, "this project", "<=", "nm"),
    Gate("peaks within 2 nm", "peaks_within_2nm", 0.74, "this project"),
)
# The default's values of what SCALAR changes.
RIGOROUS = {
    section: {name: getattr(getattr(RECIPE(), section), name) for name in names} for section, names in SCALAR.items()
}
# The prototype's seven points in its order: the change, the field, the prototype's value, the changed value.
POINTS: tuple[tuple[str, str, str, Any, Any], ...] = (
    ("keys and values are normalised", "model", "memory_norm", False, True),
    ("FiLM scales, too", "model", "film", "shift", "scale_shift"),
    ("one head per detector", "model", "head", "shared", "per_detector"),
    ("gradients clipped at 1.0", "train", "clip_norm", 0.5, 1.0),
    ("second differences in the loss", "train", "w_curvature", 0.0, 0.1),
    ("no dropout in the decoder", "model", "decoder_dropout", 0.03, 0.0),
    ("65 tokens", "model", "tokens", 17, 65),
)


def fields(*changed: int) -> dict[str, dict]:
    """Set all seven fields: points in `changed` (1 .. 7) to the new value, the others to the old; no propagation."""
    values: dict[str, dict] = {"model": {"propagation_slices": 0}, "train": {}}
    for number, (_, section, name, old, new) in enumerate(POINTS, 1):
        values[section][name] = new if number in changed else old
    return merge(SCALAR, values)


def alone(number: int) -> Step:
    """Make the step that changes one point of the prototype and leaves the other six."""
    what, section, name, old, new = POINTS[number - 1]
    change = f"against step 0, {what}: {section}.{name} = {old} becomes {new}; the other six as in the prototype"
    return Step(name, change, fields(number))


LADDER = Ladder(
    (
        Step("prototype", "all seven points as in the prototype", fields()),
        *(alone(number) for number in range(1, 8)),
        Step(
            "all seven",
            "all seven points changed",
            fields(1, 2, 3, 4, 5, 6, 7),
            GATES,
        ),
        Step(
            "propagation",
            "six slices of split-step propagation with learned phases in the network; the decoder corrects them",
            {"model": {"propagation_slices": 6}},
            GATES,
        ),
        Step(
            "both polarisations",
            "rigorous spectra; both components of the field in both polarisations, coupled by learned matrices",
            merge(RIGOROUS, {"model": {"few_orders": 0}}),
        ),
        Step("few orders", "the network is given a rigorous solution with few orders, and corrects it", RIGOROUS),
    ),
    figures=("r2", "peaks_within_2nm", "mae", "rmse", "prototype_loss", "peak_error"),
)
