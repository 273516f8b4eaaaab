"""The table and the picture of the study of rules."""

import numpy as np
from matplotlib.figure import Figure

from kmodels.core.report import figures, tables
from kmodels.nand.data.records import PROGRAM, READ
from kmodels.nand.generator.evaluation.beliefs import said_offset

PROGRAMS = {"strict": "0", "monotonic": "0 and on", "any": "all"}  # legal offsets of unwritten pages, as the rules say
DETECTORS = (
    "network",
    "network without pages",
    "n-gram",
    "automaton",
    "seen offsets",
    "seen offsets and pages",
)
FARTHEST = 12  # offset that the picture shows


def table(devices: dict) -> str:
    """Make both tables of a page: the rules that were said back, and the detectors."""
    return f"{tables.table(_rules(devices))}\n\n{tables.table(_detectors(devices))}"


def measured(record: dict) -> str:
    """Say where the figures come from, in one line."""
    devices = record["devices"].values()
    sizes = sorted({device["sequences"] for device in devices})
    cpu = np.median([device["training_cpu_s"] for device in devices])
    return (
        f"Measured {record['date'][:10]} on {record['backend']}, seed {record['seed']}, {' or '.join(map(str, sizes))} "
        f"legal sequences a device, {tables.machine(record['hardware'])}: {cpu:.0f} s of processor time a training "
        f"(median)."
    )


def _rules(devices) -> list[list[str]]:
    rows = [["device", "reads: rule", "reads: believed", "programs: rule", "programs: believed", "said back"]]
    for device in devices.values():
        said, limit = device["believed"], device["read_offset_limit"]
        order = device["program_order"]
        right = said["read_offset_limit"] == limit and said["program_order"] == order
        name = f"{order}, L = {limit}"
        believed = f"L = {said['read_offset_limit']}, {said['program_order']}"
        row = [_interval(limit), said["read"], PROGRAMS[order], said["program"]]
        rows.append([name, *row, believed if right else f"**{believed}**"])
    return rows


def _interval(limit: int) -> str:
    return "0" if limit == 1 else f"0..{limit - 1}"


def _detectors(devices) -> list[list[str]]:
    """Make a row a device: AUROC / localisation of each detector."""
    names = [name for name in DETECTORS if any(name in device["detectors"] for device in devices.values())]
    rows = [["AUROC / localisation", *names]]
    for device in devices.values():
        scores = [device["detectors"].get(name) for name in names]
        cells = ["-" if of is None else f"{of['auroc']:.4f} / {of['localisation']:.3f}" for of in scores]
        rows.append([f"{device['program_order']}, L = {device['read_offset_limit']}", *cells])
    return rows


def plot(devices: dict) -> Figure:
    """Plot what is believed of each device, a row a device, with its true rules as outlines."""
    made, axes = figures.figure(11, 1.6 + 0.33 * len(devices), 1, 2)
    for one, op, name in ((axes[0], READ, "read"), (axes[1], PROGRAM, "program")):
        _plot_operation(one, devices, op, name)
    axes[0].set_yticks(
        range(len(devices)), [f"{d['program_order']}, L = {d['read_offset_limit']}" for d in devices.values()]
    )
    axes[1].set_yticks([])
    axes[0].set_xlabel("reads of written pages: pages behind the last one")
    axes[1].set_xlabel("programs of unwritten pages: page - next page")
    image = axes[1].images[0]
    made.colorbar(image, ax=axes, label="share of states where it is believed legal", shrink=0.7)
    return made


def _plot_operation(axes, devices, op: int, name: str) -> None:
    """Plot the shares of one operation, and outline what the rules allow."""
    low, high = (-3, FARTHEST) if op == READ else (-FARTHEST, FARTHEST)
    shown = np.arange(low, high + 1)
    shares = np.full((len(devices), len(shown)), np.nan)
    for row, device in enumerate(devices.values()):
        said = said_offset(op, np.array(device["believed"]["offset"]))
        share = dict(zip(said.tolist(), device["believed"]["share"][name], strict=True))
        shares[row] = [np.nan if share.get(at) is None else share[at] for at in shown.tolist()]
        start, end = _legal(op, device, low, high)
        axes.plot([start, end, end, start, start], row + np.array([-0.4, -0.4, 0.4, 0.4, -0.4]), color=figures.RED)
    axes.imshow(
        shares, cmap="Blues", vmin=0, vmax=1, aspect="auto", extent=(low - 0.5, high + 0.5, len(devices) - 0.5, -0.5)
    )
    axes.set_facecolor("#eeeeee")  # no state had such a page
    axes.set_xlim(low - 0.6, high + 0.6)


def _legal(op: int, device: dict, low: int, high: int) -> tuple[float, float]:
    """Give where the outline of the legal offsets begins and ends."""
    if op == READ:
        return -0.5, device["read_offset_limit"] - 0.5
    order = device["program_order"]
    return (low if order == "any" else 0) - 0.5, (0 if order == "strict" else high) + 0.5
