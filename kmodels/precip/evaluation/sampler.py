"""Drawing fields from a trained model: the coarse state is encoded once, the draws of a day are one batch."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from keras import ops

from kmodels.core.training import backend
from kmodels.precip.data.encode import draw_noise, noise_shapes
from kmodels.precip.data.load import WET
from kmodels.precip.data.records import Days
from kmodels.precip.data.split import day_numbers
from kmodels.precip.evaluation.metrics import Sums, Thresholds, sums_of
from kmodels.precip.evaluation.prediction import Ensemble

CODES = ("summary", "map", "coarse", "mean", "log_variance", "prior_mean", "prior_log_variance")
STREAMS = {"prior": 0, "posterior": 1}  # prior and posterior draws of a day are independent
ROWS = 64  # fields that are decoded at once


@dataclass(frozen=True, eq=False)
class Sampler(Ensemble):
    """The fields that a model draws.

    code: {name: (n, ...)} of CODES, what the model made of each day. known: the statistics of its training days.
    brief: score without what takes longest (see `metrics.sums_of`).
    """

    model: object = None
    code: dict = None
    mode: Literal["prior", "posterior"] = "prior"
    temperature: float = 1.0
    seed: int = 0
    brief: bool = False

    @classmethod
    def of(cls, model, days: Days, outputs: dict, members: int, **options) -> "Sampler":
        """The sampler of a network's outputs for these days."""
        code = {name: np.asarray(outputs[name], "float32") for name in CODES if name in outputs}
        return cls(days, members, None, model=model, code=code, **options)

    def like(self, **options) -> "Sampler":
        """The same days, drawn in another way."""
        return replace(self, **options)

    def take(self, rows) -> "Sampler":
        """The same draws of these days alone."""
        return self.like(days=self.days.take(rows), code={name: value[rows] for name, value in self.code.items()})

    @property
    def known(self) -> dict[str, np.ndarray]:
        """The statistics of the training days."""
        return self.model.known()

    @cached_property
    def sums(self) -> Sums:
        """What the scores of these draws are made of, by the thresholds of the training days."""
        return sums_of(self, Thresholds.of(self.known), self.brief)

    def fields(self, rows) -> np.ndarray:
        """(rows, members, y, x) float32 [mm/day]; a field's numbers depend on its day, mode, seed and place alone."""
        rows = np.asarray(rows)
        shapes = noise_shapes(self.model.recipe.model, self.days.domain.shape)
        noise = [
            draw_noise(np.random.default_rng([self.seed, STREAMS[self.mode], number]), shapes, self.members)
            for number in day_numbers(self.days.dates[rows]).tolist()
        ]
        given = {name: np.concatenate([one[name] for one in noise]) for name in shapes}
        own = np.repeat(rows, self.members)
        prefix = "prior_" if self.mode == "prior" else ""
        mean, log_variance = (self.code[prefix + part][own] for part in ("mean", "log_variance"))
        given["z"] = mean + self.temperature * np.exp(0.5 * log_variance) * given.pop("noise_z")
        given |= {name: self.code[name][own] for name in ("summary", "map") if name in self.code}
        coarse = self.code["coarse"][own] if "coarse" in self.code else None
        rain = self._rain(self._decoded(given), coarse)
        return rain.reshape(len(rows), self.members, *self.days.domain.shape)

    def _decoded(self, given: dict[str, np.ndarray]) -> np.ndarray:
        """Scaled fields in batches of one shape."""
        decoder = self.model.decoder
        decoder.jit_compile = backend.compiles()
        count, found = len(given["z"]), []
        for first in range(0, count, ROWS):
            some = np.arange(first, first + ROWS).clip(max=count - 1)
            found.append(np.asarray(decoder.predict_on_batch({name: v[some] for name, v in given.items()})))
        return np.concatenate(found)[:count]

    def _rain(self, scaled: np.ndarray, coarse: np.ndarray | None) -> np.ndarray:
        """[mm/day]; less than WET is none."""
        known = [ops.convert_to_tensor(values) for values in (scaled, coarse) if values is not None]
        rain = ops.convert_to_numpy(self.model.to_rain(*known))
        return np.where(rain < WET, 0, rain).astype("float32")
