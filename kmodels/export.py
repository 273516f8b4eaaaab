"""Write a trained network, with its pre-processing, for another runtime, and compare it with Keras' outputs.

  python -m kmodels.export --preset nand --format onnx --out nand.onnx
  python -m kmodels.export --run runs/plume-seed0-20261121-093000-1a2b3c4d --format saved_model --out plume
  python -m kmodels.export --preset metasurface --format onnx --precision int8 --out small.onnx
  python -m kmodels.export --check nand.onnx

Beside the file goes a record, PATH.json: inputs and outputs with shapes and units, the recipe and its hash, how far the
outputs are from Keras' at two batch sizes, the size and the time of one example. --check opens an export, and refuses
one that is not what its record was written for.

Exit status: 0 written, or opened; 2 not possible, or bad usage.
"""

import sys
from pathlib import Path

from kmodels.core.cli import cli
from kmodels.core.spec.errors import UserError
from kmodels.exports.formats import FORMATS, PRECISIONS


def main(argv=None) -> int:
    """Run the verb; returns the exit status."""
    options = cli.parser("export", __doc__)
    cli.add_run_options(options, required=False)
    options.add_argument("--format", choices=FORMATS, metavar="FORMAT", help=", ".join(FORMATS))
    options.add_argument("--out", metavar="PATH", help=".onnx, .xml, .tflite or .keras; saved_model: a folder")
    options.add_argument("--precision", choices=PRECISIONS, default="float32", help="of the weights (default: float32)")
    options.add_argument("--data", metavar="PATH", help="your own file or folder, for the inputs that are compared")
    options.add_argument("--check", metavar="PATH", help="open this export in its runtime, and say what it is")
    return cli.run(options, _export, argv)


def _export(args, words) -> int:
    cli.reject_extra_arguments(words)
    from kmodels.core.cli import console
    from kmodels.exports import exported

    if args.check:
        record = exported.load(args.check).record
        console.say(f"{args.check}: {record['model']} of recipe {record['recipe_hash']}, as it was written")
    else:
        run = _finished(args)
        out = Path(args.out).expanduser()
        with console.progress(f"exporting to {args.format}"):
            record = exported.export(run, args.format, out, args.precision, args.data)
        console.say(f"{out}: {record['bytes'] / 1e6:.2f} MB, its record {exported.record_of(out).name}")
    for name in ("inputs", "outputs"):
        for tensor, said in record[name].items():
            shape = ", ".join("batch" if k == 0 else str(n or "any") for k, n in enumerate(said["shape"]))
            console.say(f"  {name[:-1]:<6} {tensor} ({shape}) {said['dtype']} [{said['unit']}] {said['meaning']}")
    console.say(_compared(record))
    return 0


def _finished(args) -> Path:
    """Find the folder of the run or preset, before anything is started."""
    from kmodels.core.runs.run import Run

    if args.run is None and args.preset is None:
        raise UserError("one of --run, --preset and --check is required")
    for name in ("format", "out"):
        if getattr(args, name) is None:
            raise UserError(f"--{name} is required: see python -m kmodels.export --help")
    return Run.open(cli.run_of(args)).network.parent.resolve()


def _compared(record: dict) -> str:
    """Say how far the outputs are from Keras', and how fast they come."""
    batches = " and ".join(str(check["batch"]) for check in record["checks"])
    difference = f"{record['largest_difference']:.1e} from Keras' on {record['written_on']} ({record['largest_in']})"
    share = f", {record['share_of_spread']:.2%} of an output's spread" if record["precision"] != "float32" else ""
    return (
        f"largest difference at batch {batches}: {difference}{share}; {record['runtime']}, one example "
        f"{record['latency_ms']:.2f} ms"
    )


if __name__ == "__main__":
    sys.exit(main())
