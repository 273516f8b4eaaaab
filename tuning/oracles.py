"""Keras Tuner's search algorithms, made to be killed at any moment and to go on where they were.

What differs from Keras Tuner 1.4.8, all of it in methods that are there to be overridden, and why:

* The whole state, trials included, is one file that is replaced at once. Keras Tuner writes a trial and the search to
  two files, in place: a kill between them loses the trial or runs it again, one within leaves half a file.
* The first trial is the study's base, so that what is found stands beside what there was.
* A space counts as exhausted after a thousand draws that were tried already; Keras Tuner's 20 end small ones early.
* The grid goes in order. Keras Tuner's forgets where it was when it is resumed, and then ends.
* Bayesian search begins to model after a third of the trials, not after three for each parameter, which is often more
  than there are; what it proposes twice is drawn at random instead.
"""

import itertools
import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import keras_tuner
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.hyperparameters import Choice
from keras_tuner.engine.trial import Trial, TrialStatus
from sklearn.exceptions import ConvergenceWarning

from kmodels.core.io import files
from tuning import record
from tuning.study import Study

SEED = 1  # of the search: which recipes are tried, not how they are trained
DRAWS = 50  # times Keras Tuner's 20, before a space counts as exhausted
MOST_FAILURES = 3  # in a row before the search ends; Keras Tuner would raise
NEVER = 10**9


class Restartable:
    """Mixed into an Oracle: see the head of this file.

    Attributes
    ----------
    path : pathlib.Path
        The file with the state.
    """

    def begin(self, path: Path) -> None:
        """Keep the state in `path`, and take up what stands there."""
        self.path, self.verbose = path, 0
        self.before = 0  # trials that ended before this process
        BaseTuner(self, directory=str(path.parent.parent), project_name=path.parent.name)  # tells it its folder
        if path.exists():
            self.reload()
            self.before = len(self.end_order)

    # -- one file ---------------------------------------------------------------------------------------------

    def save(self):
        """Write the whole state, or nothing."""
        files.write_json(self.path, self.get_state())

    def reload(self):
        """Take up the state that was saved.

        Raises
        ------
        UserError
            Where the file is damaged.
        """
        record.trials(self.path)
        try:
            self.set_state(json.loads(self.path.read_text(encoding="utf-8")))
        except Exception as error:  # noqa: BLE001 - whatever a state that is not one makes Keras Tuner raise
            raise record.damaged(self.path, error) from None

    def get_state(self):
        """Collect the state of the search and of all its trials."""
        return super().get_state() | {"trials": [trial.get_state() for trial in self.trials.values()]}

    def set_state(self, state):
        """Take up a saved search; trials that had begun and not ended are `left`."""
        self.trials = {one["trial_id"]: Trial.from_state(one) for one in state["trials"]}
        left = {key: key for key in self.trials if key not in state["end_order"]}
        super().set_state(state | {"ongoing_trials": left, "retry_queue": []})

    # -- trials -----------------------------------------------------------------------------------------------

    def ask(self, limit: int | None) -> Iterator[Trial | None]:
        """Yield one trial after the other, first those that an earlier process began and did not end.

        Parameters
        ----------
        limit : int or None
            The most trials; None for all of a grid.

        Yields
        ------
        Trial or None
            None where the next one depends on trials that run.
        """
        yield from list(self.ongoing_trials.values())
        while not self.failures and (limit is None or len(self.trials) < limit):
            trial = self.create_trial(f"{len(self.trials)}")
            if trial.status == TrialStatus.STOPPED:
                return
            yield trial if trial.status == TrialStatus.RUNNING else None

    def tell(self, trial: Trial, metrics: dict[str, float] | None, message: str | None = None) -> None:
        """Note how a trial ended, and save it.

        Parameters
        ----------
        trial : Trial
            That was asked for.
        metrics : dict of str to float or None
            What it measured; None where it failed.
        message : str, optional
            Why it failed.
        """
        trial.status, trial.message = TrialStatus.COMPLETED if metrics else TrialStatus.FAILED, message
        if metrics:
            self.update_trial(trial.trial_id, metrics)
        self.end_trial(trial)

    @property
    def failures(self) -> list[Trial]:
        """The trials of this process that failed since the last success, if they are too many in a row; else none."""
        ended = [self.trials[key] for key in self.end_order[self.before :]]
        failed = list(itertools.takewhile(lambda trial: trial.status == TrialStatus.FAILED, reversed(ended)))
        return failed if len(failed) >= MOST_FAILURES else []

    def populate_space(self, trial_id):
        """Choose the values of the next trial; of the first one the base's."""
        for _ in range(DRAWS):
            answer = super().populate_space(trial_id)
            if answer["status"] != TrialStatus.STOPPED:
                break
        if not self.trials and answer["status"] == TrialStatus.RUNNING:
            answer["values"] |= self._active(lambda hp: hp.default)
        return answer

    def is_tried(self, values: dict) -> bool:
        """Tell whether a trial has these values."""
        return any(trial.hyperparameters.values == values for trial in self.trials.values())

    def _active(self, value_of) -> dict:
        """Choose {name: value_of(hp)} of the parameters that are active with these values."""
        hps = keras_tuner.HyperParameters()
        for hp in self.hyperparameters.space:
            hps.merge([hp])
            if hps.is_active(hp):
                hps.values[hp.name] = value_of(hp)
        return hps.values


class Random(Restartable, keras_tuner.oracles.RandomSearchOracle):
    """Recipes drawn at random."""


class Hyperband(Restartable, keras_tuner.oracles.HyperbandOracle):
    """Many recipes for few epochs, the better ones again for more.

    Each is trained from the beginning: the course of a learning rate depends on how many epochs there will be.
    """


class Bayesian(Restartable, keras_tuner.oracles.BayesianOptimizationOracle):
    """Recipes of which a Gaussian process expects the most."""

    def populate_space(self, trial_id):
        """Choose the values of the next trial."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            answer = super().populate_space(trial_id)
        if answer["status"] != TrialStatus.RUNNING or not self.is_tried(answer["values"]):
            return answer
        for k in range(20 * DRAWS):
            seeds = itertools.count(k * len(self.hyperparameters.space))
            values = self._active(lambda hp, seeds=seeds: hp.random_sample(SEED + next(seeds)))
            if not self.is_tried(values):
                return {"status": TrialStatus.RUNNING, "values": values}
        return {"status": TrialStatus.STOPPED, "values": None}


class Grid(Restartable, keras_tuner.Oracle):
    """Every combination, the last parameter changing fastest."""

    def populate_space(self, trial_id):
        """Choose the values of the first combination that was not tried."""
        for values in self.combinations():
            if not self.is_tried(values):
                return {"status": TrialStatus.RUNNING, "values": values}
        return {"status": TrialStatus.STOPPED, "values": None}

    def combinations(self) -> Iterator[dict]:
        """Yield every combination, as a dictionary of the active values."""
        names = [hp.name for hp in self.hyperparameters.space]
        choices = [hp.values if isinstance(hp, Choice) else sorted(hp.values) for hp in self.hyperparameters.space]
        for chosen in itertools.product(*choices):
            values = dict(zip(names, chosen, strict=True))
            yield self._active(lambda hp, values=values: values[hp.name])


def make(study: Study, tuner: str, limit: int | None, path: Path) -> Restartable:
    """Make the oracle of a study's search, with what an earlier process found.

    Parameters
    ----------
    study : Study
        What is searched.
    tuner : str
        One of `study.TUNERS`.
    limit : int or None
        The most trials; None for all of a grid.
    path : pathlib.Path
        The file with the state.
    """
    common = {
        "objective": keras_tuner.Objective(study.objective, study.direction),
        "hyperparameters": study.declared(),
        "allow_new_entries": False,
        "tune_new_entries": False,
        "seed": SEED,
        "max_consecutive_failed_trials": NEVER,
    }
    if tuner == "hyperband":
        oracle = Hyperband(max_epochs=study.base.train.epochs, **common)
    elif tuner == "bayesian":
        oracle = Bayesian(max_trials=None, num_initial_points=max(3, (limit or 0) // 3), **common)
    else:
        oracle = {"random": Random, "grid": Grid}[tuner](max_trials=None, **common)
    oracle.begin(path)
    return oracle
