"""Make a preset of a finished run: its network without the optimizer, and a card of what that network reaches.

  python -m kmodels.presets.make --run runs/nand-seed1010-...

Weights that would take more than 4 MB are rounded to half precision, which the network that reads them computes with in
float32. The card's figures are those of the network that was written, evaluated again on the run's held-out data beside
the baselines and the same network untrained.

Exit status: 0 made, 2 bad input or usage.
"""

import datetime
import io
import sys
import zipfile
from pathlib import Path

import numpy as np

from kmodels import presets
from kmodels.core.cli import cli
from kmodels.core.io import files
from kmodels.core.spec import registry
from kmodels.core.spec.errors import UserError

LARGEST = 4 << 20  # bytes of a network


def main(argv=None) -> int:
    """Run the verb; returns the exit status."""
    options = cli.parser("presets.make", __doc__)
    options.add_argument("--run", required=True, metavar="RUN", help="folder that fit has written")
    options.add_argument("--out", metavar="DIR", help="folder of presets (default: that of the package)")
    cli.add_backend_option(options)
    return cli.run(options, _make, argv)


def _make(args, words) -> int:
    cli.reject_extra_arguments(words)
    predictor = cli.load_predictor(args)
    from kmodels.core.cli import console

    if predictor.run.metadata["data"] is not None:
        raise UserError(f"{args.run}: trained on a user's data, which a preset's user does not have")
    folder = make(predictor, Path(args.out) if args.out else presets.HERE)
    size = (folder / presets.NETWORK).stat().st_size
    console.say(f"{folder}: {size / 1e6:.2f} MB")
    return 0


def make(predictor, out: Path) -> Path:
    """Write a preset and evaluate what was written.

    Parameters
    ----------
    predictor : Predictor
        Of a finished run on simulated data.
    out : pathlib.Path
        Folder of presets.

    Returns
    -------
    pathlib.Path
        The preset's folder, called after the model.

    Raises
    ------
    UserError
        Where the network is too large.
    """
    from kmodels.core.report import report
    from kmodels.core.runs import pipeline
    from kmodels.core.runs.predictor import Predictor, load_untrained

    folder = Path(out) / predictor.task.name
    network = folder / presets.NETWORK
    rounded = _write(predictor.model, network)
    for name in presets.KEPT[1:]:
        files.write_bytes(folder / name, (predictor.run.path / name).read_bytes())
    written = Predictor.open(folder)
    task, recipe = written.task, written.recipe
    parts, untrained = pipeline.data_of(task, written.run), load_untrained(predictor.run)
    found = pipeline.evaluate(task, written.model, recipe, parts, untrained)
    judged = report.judged(task, found.scores, found.baselines, not written.run.metadata["smoke"])
    files.write_json(folder / presets.CARD, _about(predictor, network, rounded) | judged)
    return folder


def _write(model, path: Path) -> bool:
    """Write a network without its optimizer; returns whether its weights were rounded to half precision.

    Raises
    ------
    UserError
        Where it is too large even so.
    """
    import keras

    bare = type(model).from_config(model.get_config())
    weights = model.get_weights()
    sizes = []
    for rounded in (False, True):
        bare.set_weights([_half(value) for value in weights] if rounded else weights)
        with files.atomic_write(path) as aside:
            keras.saving.save_model(bare, aside)
            packed = _packed(aside)
            aside.write_bytes(packed)
        sizes.append(len(packed))
        if len(packed) <= LARGEST:
            return rounded
    path.unlink()
    raise UserError(f"{path}: {sizes[0] / 1e6:.1f} MB, {sizes[1] / 1e6:.1f} in half precision; at most 4 MB")


def _half(value: np.ndarray) -> np.ndarray:
    """Round to half precision, in the array's own type; what half precision cannot hold stays as it is."""
    if value.dtype != np.float32:
        return value
    with np.errstate(over="ignore"):
        rounded = value.astype(np.float16).astype(np.float32)
    return np.where(np.isfinite(rounded) & (np.abs(rounded) > 1e-4), rounded, value)


def _packed(path: Path) -> bytes:
    """Compress the members of an archive that Keras has stored as they are; the same network is the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(path) as stored, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for member in stored.infolist():
            packed.writestr(zipfile.ZipInfo(member.filename), stored.read(member), zipfile.ZIP_DEFLATED, 9)
    return buffer.getvalue()


def _about(predictor, network: Path, rounded: bool) -> dict:
    """Say where a preset comes from."""
    run, made = predictor.run, predictor.run.report
    return {
        "model": predictor.task.name,
        "question": predictor.task.question,
        "made": datetime.date.today().isoformat(),
        "trained": {name: made[name] for name in ("seed", "date", "commit", "backend", "versions", "hardware", "data")},
        "sizes": made["sizes"],
        "recipe": run.recipe.digest(),
        "parameters": predictor.model.count_params(),
        "half_precision": rounded,
        "bytes": network.stat().st_size,
        "sha256": {name: files.sha256(network.parent / name) for name in presets.KEPT},
        "licence": _licence(predictor.task.name),
        "limits": _limits(predictor.task.name),
    }


def _licence(name: str) -> str:
    """Say whose licence a preset of model `name` has."""
    package = registry.package(name).partition(".")[0]
    return f"that of {package}{', see LICENSE' * (package == 'kmodels')}; trained on data that {package} simulated"


def _limits(name: str) -> str:
    """Say where the limits of model `name` are written: in the page of its package, where that has such a part."""
    page = registry.folder(name) / "README.md"
    there = f"{registry.package(name).replace('.', '/')}/README.md"
    if name not in registry.plugged():
        return f"kmodels/{page.parent.name}/README.md#limits"
    if page.exists() and "\n## Limits\n" in page.read_text(encoding="utf-8"):
        return f"{there}#limits"
    return f"nowhere: {there} has no part called Limits"


if __name__ == "__main__":
    sys.exit(main())
