"""Keras Tuner's search algorithms, made to be killed at any moment and to go on where they were.

What differs from Keras Tuner 1.4.8, and why:
* The whole state, trials included, is one file that is replaced at once. Keras Tuner writes a trial and the search to
  two files, in place: a kill between them loses the trial or runs it again, one within leaves half a file.
* The first trial is the study's base, so that what is found stands beside what there was.
* Three failures in a row end the search. Keras Tuner raises with its lock held, and every later call waits for ever.
* A trial whose worker died is given to another one, and workers wait for that while any trial runs.
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
from keras_tuner.engine.hyperparameters import Choice
from keras_tuner.engine.trial import Trial, TrialStatus
from sklearn.exceptions import ConvergenceWarning

from kmodels.core.io import files
from tuning.study import Study

SEED = 1  # of the search: which recipes are tried, not how they are trained
MOST_WORKERS = 3  # lost by one trial before it has failed
MOST_FAILURES = 3  # in a row before the search ends
ENDED = (TrialStatus.COMPLETED, TrialStatus.FAILED)


class Restartable:
    """Mixed into an Oracle: see the head of this file.

    Attributes
    ----------
    path : pathlib.Path
        The file with the state.
    limit : int or None
        The most trials; None for all of a grid.
    """

    def begin(self, path: Path, limit: int | None) -> None:
        """Keep the state in `path`, and take up what stands there."""
        self.path, self.limit, self.verbose = path, limit, 0
        self._max_collisions = 1000  # draws before a space counts as exhausted; Keras Tuner's 20 end small ones early
        self._before = 0  # trials that ended before this process
        if path.exists():
            self.set_state(json.loads(path.read_text(encoding="utf-8")))
            self._before = len(self.end_order)

    # -- one file ---------------------------------------------------------------------------------------------

    def save(self):
        """Write the whole state, or nothing."""
        files.write_json(self.path, self.get_state())

    def _save_trial(self, trial):
        """Do nothing: `save` follows wherever it matters."""

    def get_state(self):
        """Collect the state of the search and of all its trials."""
        return super().get_state() | {"trials": [trial.get_state() for trial in self.trials.values()]}

    def set_state(self, state):
        """Take up a saved search; trials that had begun and not ended are the next ones."""
        self.trials = {one["trial_id"]: Trial.from_state(one) for one in state["trials"]}
        super().set_state(state)
        self.ongoing_trials = {}
        self._retry_queue = [key for key in reversed(self.trials) if self.trials[key].status not in ENDED]

    # -- trials -----------------------------------------------------------------------------------------------

    @property
    def failures(self) -> list[Trial]:
        """The trials of this process that failed since the last success, if they are too many in a row; else none."""
        ended = [self.trials[key] for key in self.end_order[self._before :]]
        failed = list(itertools.takewhile(lambda trial: trial.status == TrialStatus.FAILED, reversed(ended)))
        return failed if len(failed) >= MOST_FAILURES else []

    def create_trial(self, tuner_id):
        """Choose this worker's next trial. STOPPED: there are no more; IDLE: ask again, one that runs may come back."""
        full = self.limit is not None and len(self.trials) >= self.limit and not self._retry_queue
        if self.failures or (full and tuner_id not in self.ongoing_trials):
            trial = Trial(keras_tuner.HyperParameters(), trial_id="", status=TrialStatus.STOPPED)
        else:
            trial = super().create_trial(tuner_id)
        if trial.status == TrialStatus.STOPPED and self.ongoing_trials:
            trial.status = TrialStatus.IDLE
        return trial

    def end_trial(self, trial):
        """Note how a trial ended. Once: a worker that was taken for dead may come back with one that ran elsewhere."""
        if trial.trial_id in self.end_order:
            return
        if trial.trial_id in self._retry_queue:
            self._retry_queue.remove(trial.trial_id)
        super().end_trial(trial)

    def update_trial(self, trial_id, metrics, step=0):
        """Note what a trial measured, unless it has ended."""
        trial = self.trials[trial_id]
        return trial if trial_id in self.end_order else super().update_trial(trial_id, metrics, step)

    def abandon(self, tuner_id: str) -> Trial | None:
        """Give up on a worker: its trial, returned, waits for another one, or has failed if it cost too many."""
        trial = self.ongoing_trials.pop(tuner_id, None)
        if trial is None:
            return None
        self._run_times[trial.trial_id] += 1
        if self._run_times[trial.trial_id] >= MOST_WORKERS:
            trial.status, trial.message = TrialStatus.FAILED, f"{MOST_WORKERS} workers died in it"
            self.end_order.append(trial.trial_id)
        else:
            self._retry_queue.append(trial.trial_id)
        self.save()
        return trial

    def _check_consecutive_failures(self):
        """Raise nothing: see `failures`."""

    def _random_values(self):
        """Choose the base's values first, then values drawn at random; None when there are no new ones."""
        return super()._random_values() if self.trials else self._active(lambda hp: hp.default)

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
        if answer["values"] and self._duplicate(answer["values"]):
            return self._random_populate_space()
        return answer


class Grid(Restartable, keras_tuner.Oracle):
    """Every combination, the last parameter changing fastest."""

    def populate_space(self, trial_id):
        """Choose the values of the first combination that was not tried."""
        for values in self.combinations():
            if not self._duplicate(values):
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
    space = study.declared()
    common = {
        "objective": keras_tuner.Objective(study.objective, study.direction),
        "hyperparameters": space,
        "allow_new_entries": False,
        "tune_new_entries": False,
        "seed": SEED,
    }
    if tuner == "hyperband":
        oracle = Hyperband(max_epochs=study.base.train.epochs, **common)
    elif tuner == "bayesian":
        oracle = Bayesian(max_trials=None, num_initial_points=max(3, (limit or 0) // 3), **common)
    else:
        oracle = {"random": Random, "grid": Grid}[tuner](max_trials=None, **common)
    oracle.begin(path, limit)
    return oracle
