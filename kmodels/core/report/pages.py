"""Pages of HTML, each one file that needs nothing from outside, and how figures are written on them."""

import datetime
import math
from collections.abc import Sequence
from pathlib import Path

import jinja2

from kmodels.core.spec import registry
from kmodels.core.spec.gate import bound_of, level_of

MARK = '<meta name="generator" content="kmodels">'  # in the head of every page
SIGNIFICANT = 4  # digits of a value


def render(template: str, **values: object) -> str:
    """Render a template of this folder's `templates/` as a self-contained page.

    Parameters
    ----------
    template : str
        Its name.
    **values
        What stands in it; a name that is missing is an error.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": number,
        "interval": interval,
        "bound": bound_of,
        "level": level_of,
        "value": judged_value,
        "verdict": verdict_on,
        "words": words,
        "duration": duration,
        "date": date,
    }
    return environment.get_template(template).render(**values)


def is_ours(path: Path) -> bool:
    """Tell whether a file is a page that `render` made, which may be written anew."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return MARK in file.read(1000)


def words(name: str) -> str:
    """Write a name as words: `mean_map` as "mean map"."""
    return name.replace("_", " ")


def units(report: dict) -> dict[str, str]:
    """Look up the units of a report's metrics: its own, or for one of an earlier version those of its model."""
    if "units" in report:
        return report["units"]
    return registry.units(report["model"]) if report["model"] in registry.names() else {}


def number(value: float | None, digits: int = SIGNIFICANT) -> str:
    """Write a value with so many significant digits, at least those before its point; "-" for none."""
    if value is None or not math.isfinite(value):
        return "-"
    if abs(value) >= 10**digits or (value == int(value) and abs(value) >= 2):
        return f"{value:.0f}"
    if value == 0:
        return "0"
    if abs(value) < 1e-4:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{max(0, digits - 1 - math.floor(math.log10(abs(value))))}f}"


def interval(low_high: Sequence[float] | None) -> str:
    """Write an interval, "0.9 to 1.1", or nothing where there is none."""
    return " to ".join(number(value) for value in low_high) if low_high else ""


def judged_value(gate: dict) -> str:
    """Write a gate's value, with so many digits that it does not look like a bound which it misses."""
    value, limits = gate["value"], _limits(gate)
    if value is None:
        return "-"
    for digits in range(SIGNIFICANT, 16):
        text = number(value, digits)
        if value in limits or float(text) not in limits:
            break
    return text if gate["unit"] == "1" else f"{text} {gate['unit']}"


def verdict_on(gate: dict) -> str:
    """Write the status of a judged gate: "passed", "failed", "not measured", or "not judged" where it has a value."""
    is_open = gate["status"] == "not_measured" and gate["value"] is not None
    return "not judged" if is_open else words(gate["status"])


def _limits(gate: dict) -> list[float]:
    """List a gate's one bound, or the low and the high one."""
    return gate["bound"] if isinstance(gate["bound"], list | tuple) else [gate["bound"]]


def duration(seconds: float | None) -> str:
    """Write a time: "45 s", "12 min", "3.4 h"; "-" for none."""
    if seconds is None:
        return "-"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def date(seconds: float) -> str:
    """Write a time, of seconds since 1970, as this machine's clock shows it."""
    return f"{datetime.datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M}"
