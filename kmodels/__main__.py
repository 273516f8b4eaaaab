"""`kmodels VERB ...` is `python -m kmodels.VERB ...`."""

import importlib
import importlib.util
import sys
from dataclasses import dataclass

import kmodels
from kmodels.core.cli import completion
from kmodels.core.spec.suggest import nearest


@dataclass(frozen=True)
class Verb:
    """What is typed behind `kmodels`, the module that does it, and what for."""

    module: str
    purpose: str

    def is_here(self) -> bool:
        """Whether its module can be imported: what lies beside the package is there in a clone only."""
        top = self.module.partition(".")[0]
        return top == "kmodels" or importlib.util.find_spec(top) is not None


VERBS = {
    "simulate": Verb("kmodels.simulate", "make data in the field's own file format"),
    "read": Verb("kmodels.read", "read your own data as fit would, and say what is in it"),
    "fit": Verb("kmodels.fit", "train a model, evaluate it, write its report"),
    "evaluate": Verb("kmodels.evaluate", "evaluate a trained model again, or on other data"),
    "predict": Verb("kmodels.predict", "apply a trained model to a file"),
    "generate": Verb("kmodels.generate", "write new data with a trained generator"),
    "export": Verb("kmodels.export", "write a trained model in the format of another runtime"),
    "climb": Verb("kmodels.climb", "train and evaluate every step of a model's ladder"),
    "compare": Verb("kmodels.compare", "put finished runs of one model side by side"),
    "bench": Verb("kmodels.bench", "measure how fast a model's parts are"),
}
STUDIES = {
    "design": Verb("kmodels.metasurface.studies.design", "design a colour router with a trained metasurface"),
    "transfer": Verb("kmodels.metasurface.studies.transfer", "tune a trained metasurface on rigorous spectra"),
    "pack": Verb("kmodels.metasurface.studies.pack", "pack the structures of many files into one"),
    "rules": Verb("kmodels.nand.studies.rules", "learn a NAND device's rules from legal traces, and say them back"),
    "source": Verb("kmodels.plume.studies.source", "find where a cloud comes from, from the records of masts"),
    "wind": Verb("kmodels.plume.studies.uncertain_wind", "forecast a cloud under a wind that is wrong, as an ensemble"),
    "ablation": Verb("kmodels.precip.studies.ablation", "what each piece of precip does, alone and all together"),
    "usefulness": Verb("kmodels.precip.studies.usefulness", "train another model on fields that precip generates"),
    "search": Verb("tuning.search", "search for a better recipe"),
}
IN_A_CLONE = "only in a clone: python -m tuning.search"
ON_TAB = (
    "the TAB key completes verbs, options and recipe fields in bash and zsh after\n"
    '  pip install "kmodels[completion]"\n'
    '  eval "$(register-python-argcomplete kmodels)"'
)


def main(argv=None) -> int:
    """Hand the command line on to the verb's own module; returns the exit status."""
    if completion.is_asked():
        return _complete()
    argv = sys.argv[1:] if argv is None else argv
    word = argv[0] if argv else None
    verb = (VERBS | STUDIES).get(word)
    if verb is not None and verb.is_here():
        return importlib.import_module(verb.module).main(argv[1:])
    if word == "--version":
        print(f"kmodels {kmodels.__version__}")
        return 0
    if word in (None, "-h", "--help"):
        print(_usage())
        return 0
    print(f"error: {_why_not(word)}", file=sys.stderr)
    return 2


def _usage() -> str:
    lines = ["usage: kmodels VERB [--help] [--version] ...", ""]
    for name, verb in VERBS.items():
        lines.append(f"  {name:<11} {verb.purpose}")
    lines += ["", "studies:"]
    for name, verb in STUDIES.items():
        lines.append(f"  {name:<11} {verb.purpose}" + ("" if verb.is_here() else f" ({IN_A_CLONE})"))
    return "\n".join([*lines, "", ON_TAB])


def _complete() -> int:
    """Answer the shell: with verbs, or as the verb's own parser does; returns 1 where there is none."""
    here = [name for name, verb in (VERBS | STUDIES).items() if verb.is_here()]
    words = completion.words()
    if not words:
        completion.complete_verb(here)
    elif words[0] in here:
        completion.skip_verb()
        return importlib.import_module((VERBS | STUDIES)[words[0]].module).main([])
    return 1


def _why_not(word: str) -> str:
    """Say why this word does nothing, and which one would."""
    if word in STUDIES:
        return f"{word} works {IN_A_CLONE}"
    if word.startswith("-"):
        return "a verb comes first, such as kmodels fit --model nand; kmodels --help lists them"
    near = nearest(word, [*VERBS, *STUDIES])
    return f"there is no verb {word!r}; " + (f"did you mean {near}?" if near else "kmodels --help lists them")


if __name__ == "__main__":
    sys.exit(main())
