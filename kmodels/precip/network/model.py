"""The network: a conditional variational autoencoder of rain fields, and what its flawed ancestors had instead."""

import keras
import numpy as np
from keras import layers, ops

from kmodels.core.cli import parse
from kmodels.core.training.optimizer import Adam
from kmodels.core.training.term_model import TermModel, dropout_seed
from kmodels.precip.data import statistics
from kmodels.precip.data.encode import block_sizes, noise_shapes, states
from kmodels.precip.data.variables import predictors
from kmodels.precip.network import losses
from kmodels.precip.network.layers import Climate, FreshNoise, Rain
from kmodels.precip.recipe import PrecipRecipe

INJECTED = {"none": (), "all": (0, 1, 2), "first": (0,), "first_two": (0, 1)}  # blocks that see the coarse map
WIDTHS = (8, 4, 2, 1)  # of the rain's maps from coarse to fine, in base_filters
LOG_VARIANCE = 10.0  # of a latent law lies between - and + this
MOMENTUM = 0.9  # of batch normalization: a training has some hundred steps
RELU = {"activation": "relu", "kernel_initializer": "he_normal"}


@keras.saving.register_keras_serializable("kmodels")
class PrecipModel(TermModel):
    """p(Y | X) as a conditional variational autoencoder.

    Inputs as `encode.DayExamples` gives them. Outputs: posterior and prior (batch, M, y, x) [mm/day], the fields
    decoded from z ~ q(z|x,y) and, where the recipe trains on them, from z ~ p(z|x); of the latent laws mean,
    log_variance, prior_mean, prior_log_variance (batch, d_z); of the coarse state summary (batch, d_x) and, where
    the decoder sees it, map (batch, Y, X, channels); coarse (batch, Y, X) [mm/day], where the fields keep its rain.

    recipe: all of it, as `model_dump` gives it. coder: the part of the network that makes what a decoder needs.
    decoder: (noise, z, summary, map) -> scaled fields. to_rain: (scaled, coarse) -> fields [mm/day]. climate: the
    statistics of the training days.
    """

    def __init__(self, recipe: dict, **kwargs):
        self_recipe = parse.from_stored(PrecipRecipe, recipe)
        network = _Network(self_recipe)
        super().__init__(term_weights(self_recipe), inputs=network.inputs, outputs=network.outputs, **kwargs)
        self.recipe = self_recipe
        self.climate, self.coder, self.decoder = network.climate, network.coder, network.decoder
        self.to_rain = network.to_rain

    def terms(self, x, y, y_pred):
        """reconstruction, mass, gradient, kl, and with objective "crps" the scores of draws (see `losses`)."""
        train = self.recipe.train
        truth, observed, field = y["rain"], y["observed"], y_pred["posterior"][:, 0]
        error = losses.weighted_error(
            truth, field, observed, self.climate.tail.value, self.climate.mean_weight.value, train
        )
        found = {
            "reconstruction": error,
            "mass": losses.land_sum_error(truth, field, x["static"][..., 0] * observed),
            "gradient": losses.gradient_error(truth, field, observed),
            "kl": ops.sum(self.kl(y_pred), axis=-1),
        }
        if train.beta == "elbo":
            cells = ops.maximum(ops.sum(observed, losses.AXES), 1.0)
            found["kl"] = found["kl"] * ops.stop_gradient(error) / cells
        for law, prefix in scored(train).items():
            rain = y_pred[law], truth
            found[f"{prefix}crps"] = losses.ensemble_score(*rain, observed, train.crps_scales)
            found[f"{prefix}log_crps"] = losses.ensemble_score(
                *map(losses.logarithm, rain), observed, train.crps_scales
            )
        return found

    def kl(self, outputs):
        """KL(q || p) of each latent dimension: (batch, d_z) [nats]."""
        names = ("mean", "log_variance", "prior_mean", "prior_log_variance")
        return losses.kl_divergence(*(ops.cast(outputs[name], "float32") for name in names))

    def known(self) -> dict[str, np.ndarray]:
        """The statistics of the training days, by the names of `statistics.Statistics`."""
        return {name: ops.convert_to_numpy(getattr(self.climate, name)) for name in self.climate.shapes}

    def adapt(self, found: statistics.Statistics) -> None:
        """Take up statistics of training days."""
        for name, value in found.arrays().items():
            getattr(self.climate, name).assign(value)

    def get_config(self):
        """The constructor's arguments."""
        return {"name": self.name, "recipe": self.recipe.model_dump(mode="json")}


def term_weights(recipe: PrecipRecipe) -> dict[str, float]:
    """{loss term: weight}, that of kl after its warm-up."""
    train = recipe.train
    found = {
        "reconstruction": train.lambda_reconstruction,
        "mass": train.lambda_mass,
        "gradient": train.lambda_gradient,
        "kl": final_beta(train),
    }
    for law, prefix in scored(train).items():
        weight = train.crps_weight * (train.posterior_crps if law == "posterior" else 1.0)
        found |= {f"{prefix}crps": weight, f"{prefix}log_crps": weight * train.log_crps}
    return found


def scored(train) -> dict[str, str]:
    """{law whose draws are scored: how the names of its terms begin}."""
    prefixes = {"prior": "", "posterior": "posterior_"}
    return {law: prefixes[law] for law, count in train.fields.items() if count > 1}


def final_beta(train) -> float:
    """The weight of the divergence after its warm-up.

    beta = "elbo": the bound of a Laplace likelihood whose scale is the day's own error e is, per cell and times e, the
    error plus e / cells times the divergence; the second factor is in the term, so that what is left is the weight of
    the error (the scale that maximizes the bound, Rybkin, Daniilidis and Levine 2021, arXiv:2006.13202).
    """
    return train.lambda_reconstruction if train.beta == "elbo" else train.beta_kl


def schedule(model: PrecipModel, recipe: PrecipRecipe, epoch: int) -> None:
    """Raise the weight of the divergence linearly from 0 over the warm-up."""
    warm = recipe.train.beta_warmup_epochs
    model.term_weights["kl"].assign(final_beta(recipe.train) * (min(1.0, epoch / warm) if warm else 1.0))


class _Network:
    """The graph of a recipe. Attributes: inputs, outputs, climate, coder, decoder."""

    def __init__(self, recipe: PrecipRecipe):
        self.recipe, self.model, self.policy = recipe, recipe.model, recipe.train.dtype
        self.fine, coarse = recipe.data.grid.fine, recipe.data.grid.coarse
        self.channels = len(predictors(recipe.data))
        self.injected = INJECTED[self.model.injection]
        shapes = {name: value.shape for name, value in statistics.nominal(recipe).arrays().items()}
        self.climate = Climate(shapes, name="climate")
        day = {
            "state": keras.Input((*coarse, self.channels), name="state"),
            "rain": keras.Input(self.fine, name="rain"),
            "static": keras.Input((*self.fine, 2), name="static"),
        }
        self.coder = keras.Model(day, self._code(**day), name="coder")
        self.decoder, self.to_rain = self._decoder(), Rain(self.climate, name="to_rain")
        counts = recipe.train.fields
        shapes = noise_shapes(self.model, self.fine)
        noise = {name: keras.Input((sum(counts.values()), *shape), name=name) for name, shape in shapes.items()}
        self.inputs = day | noise
        fresh = {name: FreshNoise(dropout_seed(), name=f"fresh_{name}")(value) for name, value in noise.items()}
        code = self.coder(day)
        self.outputs = code | self._fields(code, fresh, counts)

    # -- encoders ---------------------------------------------------------------------------------------------

    def _code(self, state, rain, static):
        """What a decoder needs, and the latent laws."""
        kept = self._coarse_rain(state)
        rain, state = self.climate(rain, state)
        summary, first = self._state_encoder(state)
        hidden = ops.concatenate([self._rain_encoder(ops.expand_dims(rain, -1), static), summary], axis=-1)
        mean, log_variance = self._law(hidden, "posterior")
        code = {"summary": summary, "mean": mean, "log_variance": log_variance}
        if self.model.prior == "learned":
            code["prior_mean"], code["prior_log_variance"] = self._law(summary, "prior")
        else:
            code["prior_mean"] = code["prior_log_variance"] = 0.0 * mean
        if kept is not None:
            code["coarse"] = kept
        if self.injected:
            code["map"] = self._conv(first, self.model.injected_filters, "projection", kernel=1, plain=True)
        return code

    def _coarse_rain(self, state):
        """(batch, Y, X) [mm/day] that the fields keep; None where they keep none, or it is not known."""
        column = statistics.rain_column(predictors(self.recipe.data))
        if column is None or not self.model.keep_coarse:
            return None
        return ops.expm1(ops.cast(state[..., column], "float32"))

    def _state_encoder(self, state):
        """(summary (batch, d_x), the first map (batch, Y, X, channels)) of the scaled coarse state."""
        model = self.model
        first = self._conv(state, model.state_filters[0], "state_0")
        x = layers.Flatten()(self._conv(first, model.state_filters[1], "state_1", strides=2))
        x = self._dropped(self._dense(x, model.state_hidden, "state_hidden", "relu"))
        return self._dense(x, model.d_x, "summary"), first

    def _rain_encoder(self, rain, static):
        """(batch, d_y) of the scaled rain field."""
        model = self.model
        x = layers.Concatenate()([rain, static])
        for k, width in enumerate(reversed(WIDTHS)):
            x = self._conv(x, width * model.base_filters, f"rain_{k}", strides=2 if k else 1)
        pool = tuple(-(-n // model.rain_pool) for n in x.shape[1:3])
        x = layers.Flatten()(layers.AveragePooling2D(pool, padding="same", dtype=self.policy)(x))
        x = self._dropped(self._dense(x, model.rain_hidden, "rain_hidden", "relu"))
        return self._dense(x, model.d_y, "rain_summary")

    def _law(self, hidden, name):
        """Mean and log variance, (batch, d_z) float32, of a normal law."""
        x = self._dense(hidden, self.model.latent_hidden, f"{name}_hidden", "relu")
        mean, log_variance = (
            ops.cast(self._dense(x, self.model.d_z, f"{name}_{part}"), "float32") for part in ("mean", "log_variance")
        )
        return mean, ops.clip(log_variance, -LOG_VARIANCE, LOG_VARIANCE)

    # -- decoder ----------------------------------------------------------------------------------------------

    def _decoder(self) -> keras.Model:
        """(z, summary, map, noise_0, noise_1, ...) -> scaled rain (batch, y, x) float32."""
        model = self.model
        shapes = {"z": (model.d_z,), "summary": (model.d_x,)} | noise_shapes(model, self.fine)
        if self.injected:
            shapes["map"] = (*self.recipe.data.grid.coarse, model.injected_filters)
        del shapes["noise_z"]
        given = {name: keras.Input(shape, name=name) for name, shape in shapes.items()}
        start, *sizes = block_sizes(self.fine)
        widths = [width * model.base_filters for width in WIDTHS]
        x = self._dense(layers.Concatenate()([given["z"], given["summary"]]), model.decoder_hidden, "decoder", "relu")
        x = self._dense(x, start[0] * start[1] * widths[0], "start", "relu")
        x = layers.Reshape((*start, widths[0]))(x)
        for k, size in enumerate(sizes):
            seen = [self._resized(x, size)]
            if k in self.injected:
                seen.append(self._resized(given["map"], size))
            if model.noise:
                seen.append(ops.cast(given[f"noise_{k}"], seen[0].dtype))
            x = self._conv(layers.Concatenate()(seen) if len(seen) > 1 else seen[0], widths[k + 1], f"block_{k}")
        field = layers.Conv2D(1, 3, padding="same", dtype=self.policy, name="field")(x)
        return keras.Model(given, ops.cast(ops.squeeze(field, -1), "float32"), name="decoder")

    def _fields(self, code, noise, counts):
        """Rain decoded from the posterior's z and from the prior's, all in one batch."""
        members, first = sum(counts.values()), counts["posterior"]
        laws = [(code["mean"], code["log_variance"])] * first
        laws += [(code["prior_mean"], code["prior_log_variance"])] * (members - first)
        z = [mean + ops.exp(0.5 * log) * noise["noise_z"][:, k] for k, (mean, log) in enumerate(laws)]
        given = {"z": ops.stack(z, axis=1)}
        for name in ("summary", "map", "coarse"):  # in the same order in every process
            if name in code:
                given[name] = ops.repeat(ops.expand_dims(code[name], 1), members, axis=1)
        given |= {name: value for name, value in noise.items() if name != "noise_z"}
        flat = {name: ops.reshape(value, (-1, *value.shape[2:])) for name, value in given.items()}
        coarse = flat.pop("coarse", None)
        rain = self.to_rain(self.decoder(flat), coarse)
        rain = ops.reshape(rain, (-1, members, *self.fine))
        found = {"posterior": rain[:, :first]}
        return found | ({"prior": rain[:, first:]} if members > first else {})

    # -- pieces -----------------------------------------------------------------------------------------------

    def _conv(self, x, filters, name, kernel=3, strides=1, plain=False):
        """A convolution and ReLU, with batch normalization, whose own shift makes a bias idle, between; or it alone."""
        normed = self.model.norm == "batch" and not plain
        how = {"use_bias": not normed} | ({} if plain or normed else RELU)
        x = layers.Conv2D(filters, kernel, strides=strides, padding="same", dtype=self.policy, name=name, **how)(x)
        if not normed:
            return x
        return layers.ReLU(dtype=self.policy)(
            layers.BatchNormalization(momentum=MOMENTUM, dtype=self.policy, name=f"{name}_norm")(x)
        )

    def _dense(self, x, units, name, activation=None):
        return layers.Dense(units, activation=activation, dtype=self.policy, name=name)(x)

    def _dropped(self, x):
        return layers.Dropout(self.model.dropout, seed=dropout_seed(), dtype=self.policy)(x)

    def _resized(self, x, size):
        if tuple(x.shape[1:3]) == tuple(size):
            return x
        return ops.image.resize(x, size, interpolation="bilinear", antialias=False, data_format="channels_last")


def build(recipe: PrecipRecipe, steps: int) -> PrecipModel:
    """The compiled model of a recipe for a training of `steps` steps."""
    model = PrecipModel(recipe.model_dump(mode="json"), name="precip")
    model.adapt(statistics.nominal(recipe))
    model.compile(optimizer=_adamw(recipe.train, steps))
    return model


def adapt(model: PrecipModel, days) -> None:
    """Measure the training days and let the model know."""
    recipe = model.recipe
    model.adapt(statistics.measured(days, states(days, np.arange(len(days))), recipe))


def _adamw(train, steps: int) -> Adam:
    """Adam with decoupled decay of weights; its step size rises over the warm-up, then falls like a cosine."""
    rate = train.learning_rate
    if train.schedule == "cosine":
        warm = min(steps - 1, round(steps * train.warmup_epochs / train.epochs))
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if warm else rate,
            decay_steps=max(1, steps - warm),
            alpha=train.final_learning_rate / train.learning_rate,
            warmup_target=rate if warm else None,
            warmup_steps=warm,
        )
    return Adam(learning_rate=rate, weight_decay=train.weight_decay, global_clipnorm=train.clip_norm or None)
