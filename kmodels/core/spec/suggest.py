"""Did you mean: the name that somebody probably wanted to type."""

import difflib
from collections.abc import Iterable

ALIKE = 0.65  # the least share of letters in common, as difflib counts it, of a dotted key that is suggested


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """Find the choice that is most like a word, or that it is cut short of; None where none is much alike."""
    word, choices = str(word), list(choices)
    longer = [choice for choice in choices if len(word) > 1 and choice.startswith(word)]
    return next(iter(difflib.get_close_matches(word, choices, 1) or longer), None)


def nearest_key(key: str, keys: Iterable[str]) -> str | None:
    """Find the dotted key whose last word is most like that of `key`, in the same section if it can be.

    A word may also be cut short (`batch`) or stand for first letters (`lr` for learning_rate).

    Parameters
    ----------
    key : str
        Such as `train.epoch`.
    keys : iterable of str
        The keys there are.

    Returns
    -------
    str or None
        Such as `train.epochs`; None where none is much alike.
    """
    section, _, word = key.rpartition(".")

    def likeness(name: str) -> float:
        own_section, _, own_word = name.rpartition(".")
        alike = difflib.SequenceMatcher(None, word, own_word).ratio()
        if len(word) > 1 and word == "".join(part[:1] for part in own_word.split("_")):
            alike = 1.0
        elif len(word) > 2 and own_word.startswith(word):
            alike = max(alike, 0.8)
        return alike + 0.1 * (section == own_section) + 0.05 * (not section and own_section == "train")

    best = max(keys, key=likeness, default=None)
    return best if best is not None and likeness(best) >= ALIKE else None


def did_you_mean(word: str, choices: Iterable[str], quoted: bool = False) -> str:
    """Write the end of an error that names the nearest choice.

    Parameters
    ----------
    word : str
        What was typed.
    choices : iterable of str
        What there is.
    quoted : bool
        Whether the name stands in quotation marks, as values do and keys do not.

    Returns
    -------
    str
        `; did you mean NAME?`, or nothing where no choice is much alike.
    """
    return _question(nearest(word, choices), quoted)


def did_you_mean_key(key: str, keys: Iterable[str]) -> str:
    """Write the end of an error as `did_you_mean` does, for dotted keys."""
    return _question(nearest_key(key, keys))


def _question(name: str | None, quoted: bool = False) -> str:
    return "" if name is None else f"; did you mean {name!r}?" if quoted else f"; did you mean {name}?"
