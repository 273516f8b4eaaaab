"""The run of a training in several processes: the first one has its folder, the others ask it."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kmodels.core.runs import provenance
from kmodels.core.runs.run import Run
from kmodels.core.spec.errors import UserError
from kmodels.core.training.devices import distribution


@dataclass(frozen=True)
class SharedRun(Run):
    """A run that all processes of a training ask alike, and that the first one alone writes."""

    @classmethod
    def of(cls, run: Run, folder: Path) -> "SharedRun":
        """Share a run.

        Parameters
        ----------
        run : Run
            In the first process the run itself; in the others one of the same recipe.
        folder : pathlib.Path
            Of a process that is not the first: where it may write what nobody reads.

        Raises
        ------
        UserError
            Where the first process has another recipe, or other code.
        """
        mine = [run.recipe.digest(), provenance.code()]
        for what, own, first in zip(("recipe", "code"), mine, distribution.agreed(mine), strict=True):
            if own != first:
                raise UserError(f"process {distribution.current().rank} has another {what} than the first one")
        path = run.path
        if distribution.current().rank:
            path = folder
            path.mkdir()
            for name in ("run.json", "recipe.yaml"):
                shutil.copy(run.path / name, path / name)
        return cls(path, run.recipe, run.metadata if not distribution.current().rank else _without_log(run))

    def load_state(self, step: int | None = None) -> tuple[list[np.ndarray], dict] | None:
        """Load a state; the others get it from the first process."""
        found = super().load_state(step) if self._is_mine else None
        metadata = distribution.agreed(found and found[1])
        if metadata is None:
            return None
        return distribution.agreed_arrays(found[0] if found else []), metadata

    def save_state(self, step: int, variables: list[np.ndarray], metadata: dict, keep: set[int]) -> None:
        """Save a state, in the first process."""
        if self._is_mine:
            super().save_state(step, variables, metadata, keep)

    def save_untrained(self, model) -> None:
        """Keep the network as it is before its first step.

        All processes do, where the first has not: Keras makes variables as it saves, and on jax that takes all.
        """
        if not distribution.agreed(self.untrained.exists()):
            super().save_untrained(model)

    def note_data(self, found: str) -> None:
        """Write down the hash of the user's data, which must be that of the first process."""
        if distribution.agreed(found) != found:
            raise UserError(f"{self.metadata['data']}: process {distribution.current().rank} has other data there")
        super().note_data(found)

    @property
    def _is_mine(self) -> bool:
        return distribution.current().rank == 0


def _without_log(run: Run) -> dict:
    """Leave out the service that is told of the run: the first process does."""
    return {name: value for name, value in json.loads(json.dumps(run.metadata)).items() if name != "log"}
