"""Sampling fields from a network: the coarse state is encoded once, the fields of a day are one batch."""

import dataclasses
from dataclasses import dataclass
from typing import Literal

import numpy as np
from keras import ops

from kmodels.core.training import backend
from kmodels.core.training.devices import distribution
from kmodels.precip.data.encode import BLOCKS, sample_noise, statics
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
        """Make the sampler of a network's outputs for these days."""
        code = {name: np.asarray(outputs[name], "float32") for name in CODES if name in outputs}
        return cls(days, members, None, model=model, code=code, **options)

    def replace(self, **options) -> "Sampler":
        """Return a sampler of the same days with other options."""
        return dataclasses.replace(self, **options)

    def take(self, rows) -> "Sampler":
        """Return the sampler of these days alone, whose fields are the same."""
        code = {name: value[rows] for name, value in self.code.items()}
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
        given = {name: np.concatenate([one[name] for one in noise]) for name in shapes}
        own = np.repeat(rows, self.members)
        prefix = "prior_" if self.mode == "prior" else ""
        mean, log_variance = (self.code[prefix + part][own] for part in ("mean", "log_variance"))
        given["z"] = mean + self.temperature * np.exp(0.5 * log_variance) * given.pop("noise_z")
        for k in self.model.architecture.latent_maps if self.mode == "posterior" else ():
            mean, log_variance = (self.code[f"{part}_{k}"][own] for part in ("mean", "log_variance"))
            given[f"noise_{k}"] = mean + np.exp(0.5 * log_variance) * given[f"noise_{k}"]
        given |= {name: self.code[name][own] for name in ("summary", "map") if name in self.code}
        if self.model.architecture.height:
            static = statics(self.days.domain)
            given["static"] = np.broadcast_to(static, (len(own), *static.shape))
        coarse_rain = self.code["coarse"][own] if "coarse" in self.code else None
        rain = self._rain(self._decoded(given), coarse_rain)
        return rain.reshape(len(rows), self.members, *self.days.domain.shape)

    def _decoded(self, given: dict[str, np.ndarray]) -> np.ndarray:
        """Scaled fields in batches of one shape."""
        decoder = self.model.decoder
        decoder.jit_compile = backend.compiles()
        count, batches = len(given["z"]), []
        for first in range(0, count, ROWS):
            some = np.arange(first, first + ROWS).clip(max=count - 1)
            batches.append(
                np.asarray(distribution.current().predicted(decoder, {name: v[some] for name, v in given.items()}))
            )
        return np.concatenate(batches)[:count]

    def _rain(self, scaled: np.ndarray, coarse_rain: np.ndarray | None) -> np.ndarray:
        """[mm/day]; less than WET is none."""
        given = [ops.convert_to_tensor(values) for values in (scaled, coarse_rain) if values is not None]
        rain = ops.convert_to_numpy(self.model.to_rain(*given))
        return np.where(rain < WET, 0, rain).astype("float32")
