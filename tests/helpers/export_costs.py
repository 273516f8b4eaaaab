"""What a lower precision costs: `python tests/helpers/export_costs.py OUT` puts metrics of exports into the report.

OUT holds what `tests/helpers/exports.py` has exported. Held-out data, simulated from a seed of their own, go through
an export's own runtime in the place of Keras, and are decoded and scored as ever. A model whose prediction is more than
one call of its network (samples of precip and nand.generator) is not in it.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / "configs" / "reports" / "exports.report.json"
SEED = 9000
SCORED = {  # the metric, and how much data is simulated for it
    "nand": ("accuracy", {"n_sequences": 6000}),
    "plume": ("fac2", {"n_runs": 60}),
    "metasurface": ("mae", {"n_structures": 400}),
    "echo": ("rmse", {"n_rooms": 120}),
}


class StandIn:
    """A network whose outputs an export computes; all else is the trained one's."""

    def __init__(self, network, run, said):
        self._network, self._run, self._said = network, run, said

    def __getattr__(self, name):
        return getattr(self._network, name)

    def predict_on_batch(self, inputs):
        """Compute in the export's units, as a user of it would."""
        from kmodels.exports import signature

        return self._run(signature.physical(self._said, dict(inputs)))


def of_model(name: str, exports: dict[str, Path]) -> dict[str, float]:
    """Score a preset in Keras, and each of its exports: {"keras" or format-precision: metric}."""
    from kmodels import presets
    from kmodels.core.runs import pipeline
    from kmodels.core.runs.predictor import Predictor
    from kmodels.exports import exported, signature

    predictor = Predictor.open(presets.path(name))
    metric, less = SCORED[name]
    task, recipe = predictor.task, predictor.recipe.with_changes({"seed": SEED, "data": less})
    splits = pipeline.load_splits(task, recipe, None).all()
    said, scores = signature.of(recipe), {}
    for which in ("keras", *exports):
        model = predictor.model
        if which != "keras":
            model = StandIn(model, exported.load(exports[which]).run, said)
        prediction = task.predict(model, splits["test"], recipe)
        scores[which] = float(task.metrics(splits, prediction, recipe.seed).values[metric])
        print(name, which, metric, scores[which], flush=True)
    return scores


def main() -> None:
    """Score every model, and write its rows."""
    from kmodels.core.io import files
    from kmodels.core.training import backend
    from kmodels.exports import formats

    backend.start()
    report = json.loads(REPORT.read_text())
    for name in sys.argv[2:] or SCORED:
        rows = [row for row in report["rows"] if row["model"] == name and row.get("precision", "float32") != "float32"]
        rows = [row for row in rows if "why" not in row]
        paths = {}
        for row in rows:
            which = f"{row['format']}-{row['precision']}"
            paths[which] = Path(sys.argv[1]) / f"{name}-{row['precision']}{formats.FORMATS[row['format']].suffix}"
        scores = of_model(name, paths) if paths else {}
        for row, which in zip(rows, paths, strict=True):
            row["cost"] = {"metric": SCORED[name][0], "keras": scores["keras"], "export": scores[which]}
        files.write_json(REPORT, report)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
