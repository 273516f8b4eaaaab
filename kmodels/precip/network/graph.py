"""The graph of the network: two encoders, the latent laws, a decoder."""

import keras
from keras import layers, ops

from kmodels.core.training.devices.layers import BatchNormalization, Dropout
from kmodels.core.training.term_model import dropout_seed
from kmodels.precip.data.encode import block_sizes, noise_shapes
from kmodels.precip.data.statistics import Statistics
from kmodels.precip.network.layers import FreshNoise, RainDenormalization, RainNormalization
from kmodels.precip.network.settings import Architecture

WIDTHS = (8, 4, 2, 1)  # of the rain's maps from coarse to fine, in base_filters
LOG_VARIANCE = 10.0  # of a latent law lies between - and + this
MOMENTUM = 0.9  # of batch normalization: a training has some hundred steps
RELU = {"activation": "relu", "kernel_initializer": "he_normal"}
LAST = "channels_last"  # whatever the user's keras.json says


class NetworkBuilder:
    """Builds the graph of an architecture.

    Parameters
    ----------
    architecture : Architecture
        Of the network.
    statistics : Statistics
        Of the training days, or what stands for them; their shapes are used.
    policy : str
        Name of the layers' dtype policy.

    Attributes
    ----------
    inputs, outputs : dict of str to KerasTensor
        Of the whole network.
    normalization : RainNormalization
        Holds the statistics of the training days.
    coder : keras.Model
        The part that makes what the decoder needs, and the latent laws: state, rain, static -> code.
    decoder : keras.Model
        z, summary, map, noise_0, noise_1, ... -> scaled rain (batch, y, x).
    to_rain : RainDenormalization
        Scaled rain, coarse rain -> rain [mm/day].
    """

    def __init__(self, architecture: Architecture, statistics: Statistics, policy: str):
        self.architecture, self.policy = architecture, policy
        shapes = {name: value.shape for name, value in statistics.arrays().items()}
        self.normalization = RainNormalization(shapes, name="climate", dtype="float32")
        day = {
            "state": keras.Input((*architecture.coarse_grid, architecture.channels), name="state"),
            "rain": keras.Input(architecture.grid, name="rain"),
            "static": keras.Input((*architecture.grid, architecture.statics), name="static"),
        }
        self.coder = keras.Model(day, self._code(**day), name="coder")
        self.decoder = self._decoder()
        self.to_rain = RainDenormalization(
            self.normalization, architecture.block_means, architecture.rain_unit, name="to_rain", dtype="float32"
        )
        fields = sum(architecture.fields.values())
        shapes = noise_shapes(architecture, architecture.grid)
        noise = {name: keras.Input((fields, *shape), name=name) for name, shape in shapes.items()}
        self.inputs = day | noise
        fresh = {
            name: FreshNoise(dropout_seed(), name=f"fresh_{name}", dtype="float32")(value)
            for name, value in noise.items()
        }
        code = self.coder(day)
        self.outputs = code | self._fields(code, fresh, day["static"])

    # -- encoders ---------------------------------------------------------------------------------------------

    def _code(self, state, rain, static):
        """Build what a decoder needs, and the latent laws."""
        coarse_rain = self._coarse_rain(state)
        rain, state = self.normalization(rain, state)
        summary, first = self._state_encoder(state)
        rain_summary, maps = self._rain_encoder(ops.expand_dims(rain, -1), static)
        hidden = ops.concatenate([rain_summary, summary], axis=-1)
        mean, log_variance = self._law(hidden, "posterior")
        code = {"summary": summary, "mean": mean, "log_variance": log_variance}
        if self.architecture.prior == "learned":
            code["prior_mean"], code["prior_log_variance"] = self._law(summary, "prior")
        else:
            code["prior_mean"] = code["prior_log_variance"] = 0.0 * mean
        for k in self.architecture.latent_maps:
            code[f"mean_{k}"], code[f"log_variance_{k}"] = self._map_law(maps[k], k)
        if coarse_rain is not None:
            code["coarse"] = coarse_rain
        if self.architecture.injected:
            code["map"] = self._conv(first, self.architecture.injected_filters, "projection", kernel=1, plain=True)
        return code

    def _coarse_rain(self, state):
        """Build the rain that the fields keep, (batch, Y, X) [mm/day]; None for none, or where it is not known."""
        channel = self.architecture.kept_channel
        return None if channel is None else ops.expm1(ops.cast(state[..., channel], "float32"))

    def _state_encoder(self, state):
        """Build (summary (batch, d_x), the first map (batch, Y, X, channels)) of the scaled coarse state."""
        sizes = self.architecture
        first = self._conv(state, sizes.state_filters[0], "state_0")
        x = layers.Flatten(data_format=LAST)(self._conv(first, sizes.state_filters[1], "state_1", strides=2))
        x = self._dropped(self._dense(x, sizes.state_hidden, "state_hidden", "relu"))
        return self._dense(x, sizes.d_x, "summary"), first

    def _rain_encoder(self, rain, static):
        """Build (summary (batch, d_y), a map of the size of each decoder block's) of the scaled rain field."""
        sizes, maps = self.architecture, []
        x = layers.Concatenate()([rain, static])
        for k, width in enumerate(reversed(WIDTHS)):
            x = self._conv(x, width * sizes.base_filters, f"rain_{k}", strides=2 if k else 1)
            maps.insert(0, x)
        pool = tuple(-(-n // sizes.rain_pool) for n in x.shape[1:3])
        x = layers.AveragePooling2D(pool, padding="same", data_format=LAST, dtype=self.policy)(x)
        x = self._dropped(self._dense(layers.Flatten(data_format=LAST)(x), sizes.rain_hidden, "rain_hidden", "relu"))
        return self._dense(x, sizes.d_y, "rain_summary"), maps[1:]

    def _map_law(self, x, k):
        """Mean and log variance, (batch, y, x, noise) float32, of a noise posterior; N(0, 1) at first."""
        parts = (f"block_{k}_mean", f"block_{k}_log_variance")
        mean, log_variance = (
            layers.Conv2D(
                self.architecture.noise,
                1,
                kernel_initializer="zeros",
                data_format=LAST,
                dtype="float32",
                name=name,
            )(x)
            for name in parts
        )
        return mean, ops.clip(log_variance, -LOG_VARIANCE, LOG_VARIANCE)

    def _law(self, hidden, name):
        """Mean and log variance, (batch, d_z) float32, of a normal law."""
        sizes = self.architecture
        x = self._dense(hidden, sizes.latent_hidden, f"{name}_hidden", "relu")
        mean, log_variance = (
            ops.cast(self._dense(x, sizes.d_z, f"{name}_{part}"), "float32") for part in ("mean", "log_variance")
        )
        return mean, ops.clip(log_variance, -LOG_VARIANCE, LOG_VARIANCE)

    # -- decoder ----------------------------------------------------------------------------------------------

    def _decoder(self) -> keras.Model:
        """Build (z, summary, map, noise_0, noise_1, ...) -> scaled rain (batch, y, x) float32."""
        sizes = self.architecture
        shapes = {"z": (sizes.d_z,), "summary": (sizes.d_x,)} | noise_shapes(sizes, sizes.grid)
        if sizes.injected:
            shapes["map"] = (*sizes.coarse_grid, sizes.injected_filters)
        if sizes.height:
            shapes["static"] = (*sizes.grid, sizes.statics)
        del shapes["noise_z"]
        given = {name: keras.Input(shape, name=name) for name, shape in shapes.items()}
        start, *blocks = block_sizes(sizes.grid)
        widths = [width * sizes.base_filters for width in WIDTHS]
        x = self._dense(layers.Concatenate()([given["z"], given["summary"]]), sizes.decoder_hidden, "decoder", "relu")
        x = self._dense(x, start[0] * start[1] * widths[0], "start", "relu")
        x = layers.Reshape((*start, widths[0]))(x)
        static = _halved(given["static"], len(blocks)) if sizes.height else None
        for k, size in enumerate(blocks):
            seen = [_resized(x, size)]
            if static:
                seen.append(static[k])
            if k in sizes.injected:
                seen.append(_resized(given["map"], size))
            if sizes.noise:
                seen.append(ops.cast(given[f"noise_{k}"], seen[0].dtype))
            x = self._conv(layers.Concatenate()(seen) if len(seen) > 1 else seen[0], widths[k + 1], f"block_{k}")
        # As the last layer, in float32 under every policy; torch has on some processors no gradient of a bfloat16
        # convolution with one filter.
        field = layers.Conv2D(1, 3, padding="same", data_format=LAST, dtype="float32", name="field")(x)
        return keras.Model(given, ops.squeeze(field, -1), name="decoder")

    def _fields(self, code, noise, static):
        """Rain decoded from the posterior's z and from the prior's, all in one batch."""
        counts = self.architecture.fields
        members, first = sum(counts.values()), counts["posterior"]
        laws = [(code["mean"], code["log_variance"])] * first
        laws += [(code["prior_mean"], code["prior_log_variance"])] * (members - first)
        z = [mean + ops.exp(0.5 * log) * noise["noise_z"][:, k] for k, (mean, log) in enumerate(laws)]
        given = {"z": ops.stack(z, axis=1)}
        known = code | ({"static": static} if self.architecture.height else {})
        for name in ("summary", "map", "coarse", "static"):  # in the same order in every process
            if name in known:
                given[name] = ops.repeat(ops.expand_dims(known[name], 1), members, axis=1)
        given |= {name: self._map_noise(code, name, value) for name, value in noise.items() if name != "noise_z"}
        flat = {name: ops.reshape(value, (-1, *value.shape[2:])) for name, value in given.items()}
        coarse_rain = flat.pop("coarse", None)
        rain = self.to_rain(self.decoder(flat), coarse_rain)
        rain = ops.reshape(rain, (-1, members, *self.architecture.grid))
        fields = {"posterior": rain[:, :first]}
        return fields | ({"prior": rain[:, first:]} if members > first else {})

    def _map_noise(self, code, name, noise):
        """Let the noise of posterior fields follow its posterior, where it has one; noise: (batch, fields, ...)."""
        k, first = name.removeprefix("noise_"), self.architecture.fields["posterior"]
        if f"mean_{k}" not in code:
            return noise
        mean, log_variance = (ops.expand_dims(code[f"{part}_{k}"], 1) for part in ("mean", "log_variance"))
        own = mean + ops.exp(0.5 * log_variance) * noise[:, :first]
        return ops.concatenate([own, noise[:, first:]], axis=1)

    # -- pieces -----------------------------------------------------------------------------------------------

    def _conv(self, x, filters, name, kernel=3, strides=1, plain=False):
        """Convolve and rectify; batch normalization between makes a bias idle; `plain`: convolve alone."""
        normed = self.architecture.norm == "batch" and not plain
        how = {"use_bias": not normed, "data_format": LAST} | ({} if plain or normed else RELU)
        x = layers.Conv2D(filters, kernel, strides=strides, padding="same", dtype=self.policy, name=name, **how)(x)
        if not normed:
            return x
        x = BatchNormalization(momentum=MOMENTUM, dtype=self.policy, name=f"{name}_norm")(x)
        return layers.ReLU(dtype=self.policy)(x)

    def _dense(self, x, units, name, activation=None):
        return layers.Dense(units, activation=activation, dtype=self.policy, name=name)(x)

    def _dropped(self, x):
        return Dropout(self.architecture.dropout, seed=dropout_seed(), dtype=self.policy)(x)


def _resized(x, size):
    """Interpolate maps (batch, y, x, channels) to (y, x) = size."""
    if tuple(x.shape[1:3]) == tuple(size):
        return x
    return ops.image.resize(x, size, interpolation="bilinear", antialias=False, data_format=LAST)


def _halved(x, count):
    """Average maps over 2 x 2 cells again and again: `count` of them, x itself the last; sizes as `block_sizes` has."""
    maps = [x]
    for _ in range(count - 1):
        maps.insert(0, layers.AveragePooling2D(2, padding="same", data_format=LAST)(maps[0]))
    return maps
