"""The pages' numbers out of committed reports: `python tests/helpers/readme.py` writes them, a test compares them."""

import json
import re
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "README.md",
    "kmodels/*/README.md",
    "kmodels/*/*/README.md",
    "kmodels/core/runs/jobs/README.md",
    "tuning/README.md",
    "tests/README.md",
    "examples/README.md",
    "examples/*/README.md",
)
PICTURE = re.compile(r"!\[([^]]*)\]\(\.\./\.\./(configs/reports/[^)]*)\)")
KINDS = (
    *("zoo", "gallery", "cards", "steps", "rounds", "gpu", "exports", "first", "scale", "twice"),
    *("results", "gates", "levels", "ladder", "study", "rules", "source"),
)
BLOCK = re.compile(rf"(<!-- ({'|'.join(KINDS)}): (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
# The front page's row of each model: what goes in and out, the metric, its name, which of the baselines is best.
ZOO = {
    "nand": ("command sequence -> legal or not, and where", "transfer_accuracy", "accuracy on transfer data", max),
    "plume": ("past clouds, terrain, wind -> next 30 minutes", "rollout_fac2", "FAC2 over 30 minutes", max),
    "precip": ("coarse weather -> ensemble of fine daily rain", "crps", "CRPS [mm/day]", min),
    "metasurface": ("nanopattern -> light at 4 pixels, 400-700 nm", "mae", "MAE", min),
    "echo": ("binaural echoes of a chirp -> depth image", "rmse", "RMSE [m]", min),
}


def pages() -> list[Path]:
    """Every page of the repository, the front page first."""
    return [path for pattern in PAGES for path in sorted(ROOT.glob(pattern))]


def filled(text: str) -> str:
    """Return a page with every block made anew from the report that it names."""

    def fill(found):
        head, kind, path, end = found.groups()
        content = ROOT / path if kind in ("zoo", "gallery", "cards") else json.loads((ROOT / path).read_text())
        return f"{head}{_made(kind, content)}\n{end}"

    return BLOCK.sub(fill, text)


def _made(kind, content) -> str:
    from kmodels.core.report import review, tables
    from kmodels.core.spec import registry

    if kind == "zoo":
        return _zoo(content)
    if kind == "gallery":
        return "\n\n".join(_shown(content, name) for name in ZOO)
    if kind in ("steps", "rounds"):
        return _rounds(content, kind)
    if kind == "cards":
        return _cards()
    if kind == "first":
        from helpers import first_answer

        return first_answer.table(content)
    if kind in ("scale", "twice"):
        from helpers import scale

        return scale.table(content) if kind == "scale" else scale.table_of_two(content)
    if kind == "levels":
        return tables.levels(_graded(content, registry.task(content["model"])))
    if kind == "ladder":
        return review.of_ladder(content["steps"])
    if kind == "study":
        from tuning import summary

        return summary.of_summary(content)
    if kind == "rules":
        from kmodels.nand.studies import rules_report

        return f"{rules_report.table(content['devices'])}\n\n{rules_report.measured(content)}"
    if kind == "source":
        from kmodels.plume.studies import source_report

        return f"{source_report.table(content['cases'])}\n\n{source_report.measured(content)}"
    if kind == "gpu":
        from kmodels.benchmarks import accelerator

        return tables.several(accelerator.tables(content))
    if kind == "exports":
        from helpers import exports

        return exports.table(content)
    if kind == "gates":
        return f"{tables.gates(content['gates'])}\n\n{tables.measured(content)}"
    return tables.results(content, registry.task(content["model"]).headline)


def _cards() -> str:
    """A row a preset: what it reaches, on which data, and how large it is."""
    from kmodels import presets
    from kmodels.core.cli import console
    from kmodels.core.report import tables
    from kmodels.core.spec import registry, verdict

    rows = [["preset", "metric", "held-out data", "95% interval", "gates", "parameters", "size, bits", "trained"]]
    for name in registry.NAMES:
        if name not in presets.names():
            continue
        card = presets.card(name)
        metric = ZOO[name][1] if name in ZOO else registry.task(name).headline[0]
        made, size = card["trained"], f"{card['bytes'] / 1e6:.2f} MB, {card['significant_bits']} bits"
        rows.append(
            [
                name,
                metric.replace("_", " "),
                console.number(card["metrics"][metric]),
                console.interval(card["intervals"].get(metric)),
                verdict.sentence(card["gates"]),
                str(card["parameters"]),
                size,
                f"{made['date'][:10]}, seed {made['seed']}, {made['backend']}",
            ]
        )
    return tables.table(rows)


def _graded(content: dict, task) -> list[tuple]:
    """What the prototype grades in a report, or in a climb: today's gates, and the metrics that were measured."""
    if "steps" not in content:
        each, untrained = content.get("each", [content["metrics"]]), content["baselines"].get("untrained", {})
        return [(gate.name, gate, each, untrained) for gate in task.gates if gate.levels]
    gates = {step.name: step.gates for step in task.ladder.steps}
    return [
        (f"{record['step']} {record['name']}: {gate.name}", gate, record["each"], {})
        for record in content["steps"]
        for gate in gates.get(record["name"], ())
        if gate.levels
    ]


def _zoo(folder: Path) -> str:
    """A row a model: its headline figure beside the best baseline's, and how long the command takes."""
    from kmodels.core.cli import console
    from kmodels.core.report import tables

    rows = [["model", "input -> output", "held-out data", "best baseline", "minutes", "command"]]
    for name, (what, metric, label, _) in ZOO.items():
        report = json.loads((folder / f"{name}.report.json").read_text())
        nearest, value = _best_baseline(name, report)
        rows.append(
            [
                f"[{name}](kmodels/{name}/README.md)",
                what,
                f"{label} {console.number(report['metrics'][metric])}",
                f"{console.number(value)} {nearest}",
                f"{report['duration_s'] / 60:.0f}",
                f"`kmodels fit --model {name}`",
            ]
        )
    return tables.table(rows)


def _best_baseline(name: str, report: dict) -> tuple[str, float]:
    """Name the baseline that comes nearest to a model's headline figure, and its value; none that knows the answer."""
    from kmodels.core.spec import registry

    _, metric, _, best = ZOO[name]
    others = {
        other: values[metric]
        for other, values in report["baselines"].items()
        if other not in registry.task(name).references and values.get(metric) is not None
    }
    nearest = best(others, key=others.get)
    return nearest.replace("_", " "), others[nearest]


def _shown(folder: Path, name: str) -> str:
    """A model in the gallery: its question, its headline figure and its verdict, the pictures of its page."""
    from kmodels.core.cli import console
    from kmodels.core.report import tables
    from kmodels.core.spec import registry, verdict

    report, (_, metric, label, _) = json.loads((folder / f"{name}.report.json").read_text()), ZOO[name]
    nearest, value = _best_baseline(name, report)
    start = report["baselines"]["untrained"].get(metric)
    rows = [["", label, "95% interval"], [name, console.number(report["metrics"][metric])]]
    rows[1].append(console.interval(report["intervals"].get(metric)))
    rows += [[f"best baseline: {nearest}", console.number(value), ""], ["untrained", console.number(start), ""]]
    page = (ROOT / "kmodels" / name / "README.md").read_text()
    pictures = [f"![{caption}](../{path})\n\n*{caption}*" for caption, path in PICTURE.findall(page)]
    example = f"; a worked example: [{name}]({name}/README.md)" if (ROOT / "examples" / name).exists() else ""
    head = f"## {name}\n\n{registry.task(name).question.rstrip('.')} ([its page](../kmodels/{name}/README.md){example})"
    said = f"{verdict.sentence(report['gates'])}. {tables.measured(report)}"
    return "\n\n".join([head, tables.table(rows), said[0].upper() + said[1:], *pictures])


def _rounds(report: dict, kind: str) -> str:
    """Training steps against PyTorch's; of `rounds` predictions, too, and how near steps come to what can be done."""
    from kmodels.benchmarks import rounds
    from kmodels.core.report import tables

    rows = report["rows"]
    cells = [rounds.table(rows, figure) for figure in (rounds.FIGURES if kind == "rounds" else ["step"])]
    cells += [rounds.limit_table(rows)] if kind == "rounds" else []
    counts = sorted(set(Counter((row["model"], row["contestant"], row["backend"]) for row in rows).values()))
    processes = " or ".join(map(str, counts))
    where = f"Measured {report['date']}, two cores of {rows[0]['device']}, medians of {processes} processes each."
    return f"{tables.several(cells)}\n\n{where}"


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    from kmodels.core.training import backend

    backend.select()
    for page in pages():
        page.write_text(filled(page.read_text()))
