"""`kmodels VERB ...` is `python -m kmodels.VERB ...`."""

import importlib
import sys

VERBS = {
    "simulate": "make data in the field's own file format",
    "fit": "train a model, judge it, write its report",
    "climb": "train and judge every step of a model's ladder",
    "evaluate": "judge a trained model again, or on other data",
    "predict": "apply a trained model to a file",
    "generate": "write new data with a trained generator",
    "bench": "measure how fast a model's parts are",
}


def main(argv=None) -> int:
    """Hand the command line on to the verb's own module; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] in VERBS:
        return importlib.import_module(f"kmodels.{argv[0]}").main(argv[1:])
    lines = [f"  kmodels {verb:<10} {purpose}" for verb, purpose in VERBS.items()]
    print("\n".join(["usage: kmodels VERB [--help] ...", "", *lines]))
    if not argv or argv[0] in ("-h", "--help"):
        return 0
    print(f"\nerror: there is no verb {argv[0]!r}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
