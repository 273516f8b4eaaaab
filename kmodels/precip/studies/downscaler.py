"""A small network that predicts one field of rain for a coarse state, trained with and without sampled fields."""

from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops
from scipy import stats

from kmodels.core.training import backend

FILTERS, BATCH, RATE = 16, 16, 2e-3
STREAM = 0x05E  # root of what is shown in an epoch


@dataclass(frozen=True)
class Material:
    """What the downscaler learns from and is evaluated on.

    x: {"train", "test"} -> inputs of the network, dictionaries of arrays. truth: the same -> (days, y, x) [mm/day].
    sampled: (days, K, y, x) [mm/day], of training days. observed: (y, x) bool. p99: of the training days [mm/day].
    """

    x: dict[str, dict[str, np.ndarray]]
    truth: dict[str, np.ndarray]
    sampled: np.ndarray
    observed: np.ndarray
    p99: float


def downscaler(coarse_shape: tuple[int, int, int], fine: tuple[int, int], scale: float):
    """Build and compile the network: state and static -> rain (batch, y, x) [mm/day], trained on the squared error.

    scale: [mm/day], so that its numbers and its loss lie around 1.
    """
    state, static = keras.Input(coarse_shape, name="state"), keras.Input((*fine, 3), name="static")
    x = layers.Conv2D(2 * FILTERS, 3, padding="same", activation="relu")(state)
    x = ops.image.resize(x, fine, interpolation="bilinear", antialias=False, data_format="channels_last")
    x = layers.Concatenate()([x, static])
    for _ in range(2):
        x = layers.Conv2D(FILTERS, 3, padding="same", activation="relu")(x)
    field = layers.Conv2D(1, 3, padding="same", activation="softplus")(x)
    model = keras.Model({"state": state, "static": static}, scale * ops.squeeze(field, -1))
    model.compile(keras.optimizers.Adam(RATE), loss=lambda y, p: ops.mean(ops.square((y - p) / scale)))
    return model


class Trainer:
    """Trains downscalers on one Material, one after the other in the same compiled network."""

    def __init__(self, of: Material, epochs: int):
        self.of, self.epochs = of, epochs
        self.model = self._new()
        self.model.optimizer.build(self.model.trainable_variables)
        self.start = [np.array(ops.convert_to_numpy(v)) for v in self.model.optimizer.variables]

    def _new(self):
        coarse_shape, fine = self.of.x["train"]["state"].shape[1:], self.of.observed.shape
        return downscaler(coarse_shape, fine, scale=self.of.p99)

    def train(self, seed: int, share: float):
        """Train the network anew; in each epoch it sees sampled fields on `share` of the days."""
        backend.seed_everything(seed)
        self.model.set_weights(self._new().get_weights())
        for variable, value in zip(self.model.optimizer.variables, self.start, strict=True):
            variable.assign(value)
        rng = np.random.default_rng([STREAM, seed])
        for _ in range(self.epochs):
            x, y = self._epoch(rng, share)
            self.model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)
        return self.model

    def _epoch(self, rng: np.random.Generator, share: float):
        """Make (inputs, rain) of all training days in a new order; the rng's numbers do not depend on the share."""
        x, sampled, truth = self.of.x["train"], self.of.sampled, self.of.truth["train"]
        count, members = sampled.shape[:2]
        order, chance, which = rng.permutation(count), rng.random(count), rng.integers(members, size=count)
        y = np.where((chance < share)[:, None, None], sampled[np.arange(count), which], truth) * self.of.observed
        return {name: value[order] for name, value in x.items()}, y[order]


def csi(predicted: np.ndarray, seen: np.ndarray) -> float:
    """Compute the critical success index, hits / (hits + false alarms + misses); not a number without an event."""
    events = (predicted | seen).sum()
    return float((predicted & seen).sum() / events) if events else float("nan")


def evaluate(model, of: Material) -> float:
    """Compute the CSI of "at least P99" over all cells of the held-out days."""
    predicted = np.asarray(model.predict(of.x["test"], batch_size=BATCH, verbose=0))
    return csi(*(fields[:, of.observed] >= of.p99 for fields in (predicted, of.truth["test"])))


def study(of: Material, seeds: int, share: float, epochs: int, progress) -> dict:
    """Compute the CSI of each seed with and without, the mean gain, and what can be said of it (`verdict`)."""
    trainer = Trainer(of, epochs)
    result = {"without": [], "with": []}
    for seed in range(seeds):
        for k, (name, part) in enumerate({"without": 0.0, "with": share}.items()):
            progress(2 * seed + k, 2 * seeds, f"seed {seed}, {name}")
            result[name].append(evaluate(trainer.train(seed, part), of))
    return result | verdict(np.subtract(result["with"], result["without"]))


def verdict(gain: np.ndarray) -> dict:
    """Judge gains (seeds,) by Student's t of their mean.

    gain, standard_error: of the mean. interval: 95%, two-sided. detectable: the least true gain that as many seeds,
    scattered as these are, would show to be one in 80% of studies. verdict: "gain", "loss", or "not significant".
    """
    n = len(gain)
    if n < 2:
        return {"gain": float(gain.mean()), "standard_error": None, "verdict": "one seed: no verdict"}
    error, level = gain.std(ddof=1) / np.sqrt(n), stats.t.ppf(0.975, n - 1)
    low, high = gain.mean() - level * error, gain.mean() + level * error
    return {
        "gain": float(gain.mean()),
        "standard_error": float(error),
        "interval": [float(low), float(high)],
        "detectable": float((level + stats.t.ppf(0.8, n - 1)) * error),
        "verdict": "gain" if low > 0 else "loss" if high < 0 else "not significant",
    }
