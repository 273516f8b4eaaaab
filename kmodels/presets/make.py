"""Make a preset of a finished run: its network without the optimizer, and a card of what that network reaches.

  python -m kmodels.presets.make --run runs/nand-seed1010-...
  python -m kmodels.presets.make --preset nand

Weights that would take more than 4 MB are rounded to as many significant bits as half precision has, or one or two
less; the network that reads them computes with them in float32. The card's figures are those of the network that was
written, evaluated again on the run's held-out data beside the baselines and the same network untrained. --preset
evaluates one that there is, and writes its card anew.

Exit status: 0 made, 2 bad input or usage.
"""

import datetime
import io
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np

from kmodels import presets
from kmodels.core.cli import cli
from kmodels.core.io import files
from kmodels.core.spec import registry
from kmodels.core.spec.errors import UserError

LARGEST = 4_000_000  # bytes of a network
BITS = (24, 11, 10, 9)  # of a weight that count: those of float32, of half precision, and less
SMALL = 256  # numbers, which take less than what compressing them adds


def main(argv=None) -> int:
    """Run the verb; returns the exit status."""
    options = cli.parser("presets.make", __doc__)
    cli.add_run_options(options)
    options.add_argument("--out", metavar="DIR", help="folder of presets (default: that of the package)")
    cli.add_backend_option(options)
    return cli.run(options, _make, argv)


def _make(args, words) -> int:
    cli.reject_extra_arguments(words)
    predictor = cli.load_predictor(args)
    from kmodels.core.cli import console

    if predictor.run.metadata["data"] is not None:
        raise UserError(f"{args.run}: trained on a user's data, which a preset's user does not have")
    out = Path(args.out) if args.out else presets.HERE
    folder = make(predictor, out) if args.preset is None else renew(args.preset, out)
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
    from kmodels.core.runs.predictor import load_untrained

    folder, run, made = Path(out) / predictor.task.name, predictor.run, predictor.run.report
    network = folder / presets.NETWORK
    bits = _write(predictor.model, network)
    for name in presets.KEPT[1:]:
        files.write_bytes(folder / name, (run.path / name).read_bytes())
    trained = {name: made[name] for name in ("seed", "date", "commit", "backend", "versions", "hardware", "data")}
    about = {"trained": trained, "sizes": made["sizes"], "significant_bits": bits}
    return _write_card(folder, about, load_untrained(run))


def renew(name: str, out: Path) -> Path:
    """Evaluate a preset, and write its card anew.

    Parameters
    ----------
    name : str
        The preset.
    out : pathlib.Path
        Folder of presets, where it is copied to if it is not there.

    Returns
    -------
    pathlib.Path
        The preset's folder.
    """
    card, there, folder = presets.card(name), presets.path(name), Path(out) / name
    for file in presets.KEPT:
        files.write_bytes(folder / file, (there / file).read_bytes())
    return _write_card(folder, {what: card[what] for what in ("trained", "sizes", "significant_bits")})


def _write_card(folder: Path, about: dict, untrained=None) -> Path:
    """Evaluate the network in a folder, and say beside it where it comes from and what it reaches."""
    from kmodels.core.report import report
    from kmodels.core.runs import pipeline
    from kmodels.core.runs.predictor import Predictor

    written = Predictor.open(folder)
    task, recipe = written.task, written.recipe
    parts = pipeline.data_of(task, written.run)
    untrained = untrained or build_untrained(task, recipe, parts)
    found = pipeline.evaluate(task, written.model, recipe, parts, untrained)
    judged = report.judged(task, found.scores, found.baselines, not written.run.metadata["smoke"])
    files.write_json(folder / presets.CARD, about | _facts(written) | judged)
    return folder


def build_untrained(task, recipe, parts):
    """Build a network as a training with this recipe begins.

    Parameters
    ----------
    task : Task
        Of the model.
    recipe : Recipe
        With the seed.
    parts : DataSplits
        Whose training part the network's units are adapted to.

    Returns
    -------
    keras.Model
        The network before its first step.
    """
    from kmodels.core.training import backend

    backend.seed_everything(recipe.seed)
    network = task.build(recipe, 1)  # how many steps there will be is the schedule's alone
    task.adapt(network, parts.part("train"))
    return network


def _write(model, path: Path) -> int:
    """Write a network without its optimizer; returns how many significant bits its weights have.

    Raises
    ------
    UserError
        Where it is too large even with the fewest.
    """
    import keras

    bare = type(model).from_config(model.get_config())
    weights, sizes = model.get_weights(), []
    for bits in BITS:
        bare.set_weights([_rounded(value, bits) for value in weights])
        with files.atomic_write(path) as aside:
            keras.saving.save_model(bare, aside)
            packed = _packed(aside)
            aside.write_bytes(packed)
        sizes.append(f"{len(packed) / 1e6:.1f} MB with {bits} significant bits")
        if len(packed) <= LARGEST:
            return bits
    path.unlink()
    raise UserError(f"{path}: {', '.join(sizes)}; at most {LARGEST / 1e6:g} MB")


def _rounded(value: np.ndarray, bits: int) -> np.ndarray:
    """Round float32 to so many significant bits, in the array's own type and range; leave others as they are."""
    if value.dtype != np.float32 or bits == BITS[0]:
        return value
    mantissa, exponent = np.frexp(value)
    return np.ldexp(np.round(mantissa * 2**bits) / 2**bits, exponent).astype("float32")


def _packed(path: Path) -> bytes:
    """Compress the members of an archive that Keras has stored as they are; the same network is the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(path) as stored, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for member in stored.infolist():
            content = stored.read(member)
            content = _shuffled(content) if member.filename.endswith(".h5") else content
            packed.writestr(zipfile.ZipInfo(member.filename), content, zipfile.ZIP_DEFLATED, 9)
    return buffer.getvalue()


def _shuffled(weights: bytes) -> bytes:
    """Write an HDF5 file anew, each array by the bytes' places in its numbers: exponents beside exponents are short."""
    buffer = io.BytesIO()
    with h5py.File(io.BytesIO(weights)) as old, h5py.File(buffer, "w") as new:

        def copy(name, found):
            if isinstance(found, h5py.Group):
                made = new.require_group(name)
            else:
                how = {"compression": "gzip", "compression_opts": 9, "shuffle": True} if found.size > SMALL else {}
                made = new.create_dataset(name, data=found[()], **how)
            made.attrs.update(found.attrs)

        new.attrs.update(old.attrs)
        old.visititems(copy)
    return buffer.getvalue()


def _facts(predictor) -> dict:
    """Say what a preset is, whatever it reaches."""
    name, folder = predictor.task.name, predictor.run.path
    return {
        "model": name,
        "question": predictor.task.question,
        "made": datetime.date.today().isoformat(),
        "recipe": predictor.recipe.digest(),
        "parameters": predictor.model.count_params(),
        "bytes": (folder / presets.NETWORK).stat().st_size,
        "sha256": {file: files.sha256(folder / file) for file in presets.KEPT},
        "licence": _licence(name),
        "limits": _limits(name),
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
