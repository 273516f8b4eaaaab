"""Sampling fields from a network: the coarse state is encoded once, the fields of a day are one batch."""

import dataclasses
from dataclasses import dataclass
from typing import Literal

import numpy as np
from keras import ops

from kmodels.core.io.rows import choose, mapped
from kmodels.core.spec.errors import UserError
from kmodels.core.training import backend
from kmodels.core.training.devices import distribution
from kmodels.precip.data.encode import BLOCKS, sample_noise, statics
from kmodels.precip.data.grids import SAME_PLACE
from kmodels.precip.data.load import WET
from kmodels.precip.data.records import Days
from kmodels.precip.data.split import day_numbers
from kmodels.precip.evaluation.daily_statistics import DailyStatistics, SampleStatistics, daily_statistics
from kmodels.precip.evaluation.prediction import Ensemble

LAWS = ("mean", "log_variance", *(f"{part}_{k}" for part in ("mean", "log_variance") for k in range(BLOCKS)))
CODES = ("summary", "map", "coarse", *LAWS, "prior_mean", "prior_log_variance")
STREAMS = {"prior": 0, "posterior": 1}  # prior and posterior fields of a day are independent
ROWS = 64  # fields that are decoded at once


@dataclass(frozen=True, eq=False)
class Sampler(Ensemble):
    """The fields that a network samples, made when they are asked for.

    Attributes
    ----------
    model : PrecipVAE
        The network.
    code : dict of str to ndarray
        {name: (n, ...)} of CODES, what the network made of each day.
    mode : {"prior", "posterior"}
        The law of z.
    temperature : float
        z lies so many times as far from its mean as the law says.
    seed : int
        Of the fields.
    statistics : SampleStatistics or None
        What scores and figures are made of, once the fields were sampled for them (`sampling.with_statistics`).
    """

    model: object = None
    code: dict = None
    mode: Literal["prior", "posterior"] = "prior"
    temperature: float = 1.0
    seed: int = 0
    statistics: SampleStatistics | None = None

    @classmethod
    def of(cls, model, days: Days, outputs: dict, members: int, **options) -> "Sampler":
        """Make the sampler of a network's outputs for these days.

        Raises
        ------
        UserError
            Where the predictors' grid lies elsewhere over the fine one than in the training.
        """
        _check_places(model, days)
        known = {name: outputs[name] for name in CODES if name in outputs}
        code = {name: made if made.dtype == "float32" else mapped(np.float32, made) for name, made in known.items()}
        return cls(days, members, None, model=model, code=code, **options)

    def replace(self, **options) -> "Sampler":
        """Return a sampler of the same days with other options."""
        return dataclasses.replace(self, **options)

    def take(self, rows) -> "Sampler":
        """Return the sampler of these days alone, whose fields are the same."""
        code = {name: choose(value, rows) for name, value in self.code.items()}
        return self.replace(days=self.days.take(rows), code=code, statistics=None)

    def daily_statistics(self, brief: bool = False) -> DailyStatistics:
        """Sample all days, and compute what their scores are made of, by the thresholds of the training days."""
        return daily_statistics(self, self.model.training_statistics(), brief)

    def fields(self, rows) -> np.ndarray:
        """Sample (rows, members, y, x) float32 [mm/day]; a field depends on its day, mode, seed and place alone."""
        rows = np.asarray(rows)
        shapes = self.model.noise_shapes()
        noise = [
            sample_noise(np.random.default_rng([self.seed, STREAMS[self.mode], number]), shapes, self.members)
            for number in day_numbers(self.days.dates[rows]).tolist()
        ]
        noise = {name: np.concatenate([one[name] for one in noise]) for name in shapes}
        own, batches = np.repeat(rows, self.members), []
        self.model.decoder.jit_compile = backend.compiles()
        for first in range(0, len(own), ROWS):  # of one shape
            some = np.arange(first, first + ROWS).clip(max=len(own) - 1)
            batches.append(self._batch(own[some], {name: values[some] for name, values in noise.items()}))
        return np.concatenate(batches)[: len(own)].reshape(len(rows), self.members, *self.days.domain.shape)

    def _batch(self, own: np.ndarray, given: dict[str, np.ndarray]) -> np.ndarray:
        """Decode a field for each of the days `own`, of the noise that is given: (fields, y, x) [mm/day]."""
        prefix = "prior_" if self.mode == "prior" else ""
        mean, log_variance = (self._of(prefix + part, own) for part in ("mean", "log_variance"))
        given["z"] = mean + self.temperature * np.exp(0.5 * log_variance) * given.pop("noise_z")
        for k in self.model.architecture.latent_maps if self.mode == "posterior" else ():
            mean, log_variance = (self._of(f"{part}_{k}", own) for part in ("mean", "log_variance"))
            given[f"noise_{k}"] = mean + np.exp(0.5 * log_variance) * given[f"noise_{k}"]
        given |= {name: self._of(name, own) for name in ("summary", "map") if name in self.code}
        if self.model.architecture.height:
            static = statics(self.days.domain)
            given["static"] = np.broadcast_to(static, (len(own), *static.shape))
        scaled = np.asarray(distribution.current().predicted(self.model.decoder, given))
        return self._rain(scaled, self._of("coarse", own) if "coarse" in self.code else None)

    def _of(self, name: str, own: np.ndarray) -> np.ndarray:
        """Read a part of the code for each of the days `own`."""
        return np.asarray(self.code[name][own])

    def _rain(self, scaled: np.ndarray, coarse_rain: np.ndarray | None) -> np.ndarray:
        """[mm/day]; less than WET is none."""
        given = [ops.convert_to_tensor(values) for values in (scaled, coarse_rain) if values is not None]
        rain = ops.convert_to_numpy(self.model.to_rain(*given))
        return np.where(rain < WET, 0, rain).astype("float32")


def _check_places(model, days: Days) -> None:
    """Refuse fine cells that have not the places on the predictors' grid that the network has taken up."""
    if days.domain.places is None:
        return
    off = max((layer.difference(days.domain.places) for layer in model.places.values()), default=0.0)
    if off > SAME_PLACE:
        raise UserError(
            f"the predictors' grid lies up to {off:.2g} of its cells elsewhere than in the training: bring them to the "
            "grid of the training, or train a network for this one"
        )
