"""Transfer: a network trained on scalar spectra is tuned on a few rigorous ones and evaluated on others.

  python -m kmodels.metasurface.studies.transfer --run runs/metasurface-... --out transfer.json

Structures of the default recipe's geometry, solved rigorously, come with the package (rigorous.h5: 64 of a period of
1 um, 301 wavelengths); --data names others (simulate --data.solver rcwa). The network is tuned on one half of them. On
the other half it is compared with the network before tuning, with one trained from scratch on the same half for as many
steps, with the scalar solver, and with the first half's mean spectrum. A picture is written next to --out.

Exit status: 0 the tuned network is better than all of these, 1 it is not, 2 bad input or usage.
"""

import sys
from dataclasses import replace
from pathlib import Path

from kmodels.core.cli import cli
from kmodels.core.spec.errors import UserError

TUNED = "tuned"
SHIPPED = Path(__file__).parents[1] / "simulator" / "rigorous.h5"


def main(argv=None) -> int:
    """Run the verb; returns the exit status."""
    options = cli.parser("metasurface.studies.transfer", __doc__)
    options.add_argument("--run", required=True, metavar="RUN", help="run folder of fit")
    options.add_argument("--data", default=SHIPPED, metavar="PATH", help="rigorous structures (default: the package's)")
    options.add_argument("--out", required=True, metavar="FILE", help="the scores, .json")
    options.add_argument("--steps", type=int, default=300, metavar="N", help="of the tuning (default: 300)")
    options.add_argument("--rate", type=float, default=5e-4, metavar="R", help="Adam's step size (default: 5e-4)")
    options.add_argument("--seed", type=int, default=0, metavar="S", help="of the halves and batches (default: 0)")
    cli.add_backend_option(options)
    return cli.run(options, _transfer, argv)


def _transfer(args, words) -> int:
    cli.reject_extra_arguments(words)
    if args.steps < 1 or args.seed < 0 or not 0 < args.rate <= 1:
        raise UserError("--steps: 1 or more; --seed: 0 or more; --rate: above 0, at most 1")
    if Path(args.out).suffix.lower() != ".json":
        raise UserError(f"--out {args.out}: the suffix must be .json")
    predictor = cli.load_predictor(args, "metasurface")
    from kmodels.core.cli import console
    from kmodels.core.io import files
    from kmodels.core.report import figures
    from kmodels.core.spec.task import EvaluationInput
    from kmodels.metasurface.evaluation.figures import spectra

    structures = load_rigorous(args.data, predictor.recipe)
    parts = split_in_halves(structures, args.seed)
    predictions = predict_all(predictor, parts, args)
    scores = evaluate(parts, predictions, args.seed)
    files.write_json(args.out, _record(args, predictor, parts, scores))
    picture = Path(args.out).with_suffix(".png")
    files.write_bytes(picture, figures.png(spectra(EvaluationInput(parts["test"], predictions[TUNED]))))
    console.show(_table(scores, len(parts["train"]), len(parts["test"])))
    console.say(f"written: {args.out} and {picture}")
    return int(any(of.values["mae"] < scores[TUNED].values["mae"] for of in scores.values()))


def load_rigorous(path: str | Path, recipe):
    """Read the structures of a file on the wavelengths of a recipe.

    Raises
    ------
    UserError
        Where the file lacks one of these wavelengths.
    """
    import numpy as np

    from kmodels.metasurface.data.load import load

    structures, wanted = load(path, recipe), recipe.data.wavelengths()
    place = np.abs(structures.wavelength[:, None] - wanted).argmin(0)
    if not np.allclose(structures.wavelength[place], wanted, rtol=1e-6, atol=0):
        k = int(np.abs(structures.wavelength[place] - wanted).argmax())
        raise UserError(f"{path}: wavelength: no {wanted[k]:g} nm, which the run was trained on")
    return replace(structures, spectra=structures.spectra[..., place], wavelength=structures.wavelength[place])


def split_in_halves(structures, seed: int) -> dict:
    """Split structures into "train" and "test", copies of a structure on one side.

    Raises
    ------
    UserError
        Where there are too few.
    """
    from kmodels.core.training.batching import split_groups

    rows = split_groups(structures.groups, (0.5, 0.0, 0.5), seed)
    if min(len(rows["train"]), len(rows["test"])) == 0:
        raise UserError(f"{len(structures)} structures: too few for two halves")
    return {name: structures.take(rows[name]) for name in ("train", "test")}


def predict_all(predictor, parts: dict, args) -> dict:
    """Predict parts["test"] by the tuned network and by everything it is compared with: {name: Spectra}."""
    import numpy as np

    from kmodels.core.cli import console
    from kmodels.metasurface.evaluation.baselines import solved
    from kmodels.metasurface.evaluation.metrics import mean_spectrum
    from kmodels.metasurface.evaluation.prediction import Spectra
    from kmodels.metasurface.simulator.scalar import ScalarSolver

    recipe, task, test = predictor.recipe, predictor.task, parts["test"]
    predictions = {"before tuning": task.predict(predictor.model, test, recipe)}
    for name, start in ((TUNED, predictor.model), ("from scratch", None)):
        console.say(f"{name}: {args.steps} steps on {len(parts['train'])} structures")
        predictions[name] = task.predict(_train(task, recipe, start, parts["train"], args), test, recipe)
    alone = {
        "scalar solver": solved(ScalarSolver(recipe.data), test),
        "mean spectrum": np.broadcast_to(mean_spectrum(parts["train"]), test.spectra.shape),
    }
    return predictions | {name: Spectra(test, of, None, recipe.data.wavelength) for name, of in alone.items()}


def _train(task, recipe, start, structures, args):
    """Train a network on structures, from the weights of `start`, or from new ones where that is None."""
    from kmodels.core.training import batching

    recipe = recipe.with_changes({"train": {"learning_rate": args.rate, "schedule": "cosine", "augment": True}})
    model = task.build(recipe, args.steps)
    if start is not None:
        for variable, value in zip(model.trainable_variables, start.trainable_variables, strict=True):
            variable.assign(value)
    batches = batching.batches(task.training_examples(structures, recipe), recipe.train.batch_size, args.seed)
    model.fit(batches, steps_per_epoch=args.steps, shuffle=False, verbose=0)
    return model


def evaluate(parts: dict, predictions: dict, seed: int) -> dict:
    """Score all predictions: {name: Scores}, the best first."""
    from kmodels.metasurface.evaluation.metrics import metrics

    scores = {name: metrics(parts, prediction, seed) for name, prediction in predictions.items()}
    return dict(sorted(scores.items(), key=lambda item: item[1].values["mae"]))


def _record(args, predictor, parts, scores) -> dict:
    """Make the content of --out."""
    from kmodels.core.io import files
    from kmodels.core.runs import provenance

    return {
        "run": str(predictor.run.path.name),
        "recipe": predictor.recipe.digest(),
        "data": Path(args.data).name,
        "data_hash": files.sha256(args.data),
        "sizes": {name: len(part) for name, part in parts.items()},
        "steps": args.steps,
        "rate": args.rate,
        "seed": args.seed,
        **provenance.here(),
        "scores": {name: {"metrics": of.values, "intervals": of.intervals} for name, of in scores.items()},
    }


def _table(scores, n_train: int, n_test: int):
    """Make a table with a row for each prediction."""
    from kmodels.core.cli import console

    table = console.new_table(f"{n_test} rigorous structures; tuned on {n_train} others")
    shown = ("mae", "r2", "rmse", "peak_error")
    for column in ("", *shown, "95% interval of mae"):
        table.add_column(column)
    for name, of in scores.items():
        row = (console.number(of.values[metric]) for metric in shown)
        table.add_row(name, *row, console.interval(of.intervals.get("mae")))
    return table


if __name__ == "__main__":
    sys.exit(main())
