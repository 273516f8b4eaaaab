"""The traces of several files as one, in memory or, where it is too large, on disk."""

import numpy as np

from kmodels.core.io.rows import Appended, blocks
from kmodels.core.spec.errors import UserError
from kmodels.nand.data.records import PAD, Trace

FILLS = {"op": PAD, "page": PAD, "die": 0, "plane": 0, "block": 0}  # behind the end of a sequence


class Joined:
    """Traces that come one after the other."""

    def __init__(self):
        self._wide: dict[str, Appended] = {}
        self._flat: dict[str, list[np.ndarray]] = {name: [] for name in Trace.__dataclass_fields__ if name not in FILLS}
        self._longest, self._pairs, self._labelled = 0, 0, set()

    def add(self, part: Trace) -> None:
        """Add the sequences of one more file, all of them padded to the longest so far.

        Raises
        ------
        UserError
            Where some files have labels and some have none.
        """
        self._labelled.add(part.invalid is not None)
        if len(self._labelled) > 1:
            raise UserError(
                "some of the files have a column `valid` and some have none: give all of them labels, or none"
            )
        if part.op.shape[1] > self._longest:
            self._longest = part.op.shape[1]
            self._wide = {name: self._padded(name, self._wide.get(name)) for name in FILLS}
        for name in FILLS:
            self._wide[name].append(self._pad(name, getattr(part, name)))
        for name, values in self._flat.items():
            value = getattr(part, name)
            if value is not None:
                values.append(value + self._pairs if name == "pair" else value)
        self._pairs += int(part.pair.max(initial=-1)) + 1  # numbers of one file mean nothing in another

    def trace(self) -> Trace:
        """Give all sequences."""
        flat = {name: np.concatenate(values) for name, values in self._flat.items() if values}
        return Trace(**{name: values.array() for name, values in self._wide.items()}, **flat)

    def _padded(self, name: str, before: Appended | None) -> Appended:
        """Pad what there is to the longest."""
        padded = Appended()
        if before is not None:
            values = before.array()
            for some in blocks(values):
                padded.append(self._pad(name, values[some]))
        return padded

    def _pad(self, name: str, values: np.ndarray) -> np.ndarray:
        missing = self._longest - values.shape[1]
        return np.pad(values, ((0, 0), (0, missing)), constant_values=FILLS[name]) if missing else values
