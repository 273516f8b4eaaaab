"""The network: a conditional variational autoencoder of rain fields."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from kmodels.core.spec.arguments import as_sizes
from kmodels.core.training.term_model import TermModel, policy_name
from kmodels.precip.data import statistics
from kmodels.precip.data.encode import noise_shapes, sample_noise
from kmodels.precip.data.variables import SIMULATED, predictors
from kmodels.precip.network import losses
from kmodels.precip.network.graph import NetworkBuilder
from kmodels.precip.network.settings import OWNER, Architecture, LossSettings, as_names, scored_laws

# Terms by which a posterior field is scored.
OF_POSTERIOR = ("reconstruction", "posterior_crps", "posterior_log_crps", "posterior_wet_crps")


@keras.saving.register_keras_serializable("kmodels.precip")
class PrecipVAE(TermModel):
    """p(Y | X), Y the rain of a day on a fine grid, X a coarse state, as a conditional variational autoencoder.

    ::

        z ~ q(z | X, Y) or p(z | X),   Y = decoder(z, X, noise)
        loss = weighted |error| + mass + gradient + beta KL(q || p) + CRPS of the decoded fields

    Inputs, a dictionary: `state` (batch, Y, X, C), rain among it as log1p(rain / 1 mm/day); `rain` (batch, y, x)
    [mm/day]; `static` (batch, y, x, 3), land (1) or sea (0), the distance to the coast / 100 km and the height of the
    land / 1000 m; `noise_*`, as `noise_inputs` gives them. Targets: `rain` as above and `observed` (batch, y, x), 1
    where it is known, else 0.

    Outputs: `posterior` and `prior` (batch, members, y, x) [mm/day], the fields decoded from z ~ q(z|x,y) and
    z ~ p(z|x); `mean`, `log_variance`, `prior_mean`, `prior_log_variance` (batch, d_z) of the latent laws; of the
    noise that has a posterior `mean_k` and `log_variance_k` (batch, y, x, noise), k the block; of the
    coarse state `summary` (batch, d_x) and, where the decoder sees it, `map` (batch, Y, X, channels); `coarse`
    (batch, Y, X) [mm/day], where the fields keep its rain.

    Parameters
    ----------
    grid, coarse_grid : tuple of int
        (y, x) of the rain's grid and of the coarse state's [cells].
    predictors : sequence of str or int
        Names of the coarse variables in their order, or their number. The one called "pr" is rain.
    base_filters : int
        Channels of the finest convolutions.
    state_filters : tuple of int
        Channels of the coarse state's two convolutions.
    state_hidden, rain_hidden, latent_hidden, decoder_hidden : int
        Widths of hidden dense layers.
    d_x, d_y, d_z : int
        Length of the coarse state's summary, of the rain field's, and of the latent code.
    rain_pool : int
        The rain encoder's maps are pooled to so many cells a side.
    injection : {"none", "all", "first", "first_two"}
        Decoder blocks that see the coarse map itself, not only its summary.
    injected_filters : int
        Channels of the coarse map that they see.
    prior : {"standard", "learned"}
        z ~ N(0, I), or a normal law given by the coarse state.
    norm : {"batch", "none"}
        Whether convolutions are followed by batch normalization.
    noise : int
        Channels of white noise that each decoder block sees.
    latent_blocks : int
        The noise of so many blocks, from the coarsest on, is a latent variable with a posterior q(noise | Y).
    height : bool
        `static` has the height of the land, and the decoder sees all of it; else only the encoder does, without height.
    dropout : float
        Rate after the encoders' hidden dense layers.
    keep_coarse : bool
        Let the mean of every block of the fields be the coarse rain, where that is among the predictors.
    block_means : {"scaled", "shifted"}
        How: the rain of a block is multiplied, so that it is wet all over or dry; or its logarithm is shifted, so that
        some of its cells stay dry (see `layers.shifted_blocks`).
    rain_unit : float
        With shifted blocks, amount up to which rain rises linearly with the network's output, and exponentially
        above [mm/day].
    posterior_members, prior_members : int
        Fields decoded from each law for an example; those of a law with two or more are scored by their CRPS.
    members : int
        Fields that a sampler makes of a day where nothing else is asked for.
    scale, w_min, w_max, tail_quantile, tail_boost : float
        The error of a cell weighs clip(truth / scale, w_min, w_max), times tail_boost above that quantile.
    lambda_reconstruction, lambda_mass, lambda_gradient : float
        Weights of the weighted error, of the difference of sums over land, and of spatial gradients.
    beta_kl : float
        Weight of the divergence with `beta="fixed"`.
    beta : {"fixed", "elbo"}
        "elbo": the weight that makes the sum a bound of the likelihood.
    crps_weight, log_crps, wet_crps, posterior_crps : float
        Weight of the CRPS; of that of log(1 + rain / 0.1 mm/day), of that of rain / (rain + 0.1 mm/day), and of the
        posterior's, as shares of it.
    crps_fairness : float
        1: the fair CRPS, unbiased for any number of members; 0: the usual one.
    crps_scales : sequence of int
        The CRPS is one of means over blocks of so many cells a side.
    heavy_quantile : float
        A day is heavy if its mean over land lies above this quantile of the training days.
    dtype : str or keras.DTypePolicy
        Dtype policy of the layers; the laws, the fields and the loss are float32.
    name : str
        Of the model.

    Notes
    -----
    `export` writes a SavedModel on tensorflow and jax; on torch Keras exports no outputs in a dictionary: save the
    model, load it on one of those and export it there.

    References
    ----------
    Kingma and Welling 2014, arXiv:1312.6114. Sohn, Lee and Yan 2015, NeurIPS 28. Ferro 2014, Q. J. R. Meteorol. Soc.
    140, 1917-1923 (fair scores). Harder et al. 2023, J. Mach. Learn. Res. 24, 365 (kept block means).

    Examples
    --------
    >>> net = PrecipVAE(grid=(16, 12), coarse_grid=(4, 3), predictors=("pr", "psl"))
    >>> net.compile("adam")
    >>> net.fit({"state": ..., "rain": ..., "static": ...} | net.noise_inputs(days), {"rain": ..., "observed": ...})
    """

    def __init__(
        self,
        grid: Sequence[int] = (52, 44),
        coarse_grid: Sequence[int] = (13, 11),
        predictors: int | Sequence[str] = SIMULATED,
        *,
        base_filters: int = 16,
        state_filters: Sequence[int] = (32, 64),
        state_hidden: int = 128,
        d_x: int = 64,
        d_y: int = 128,
        d_z: int = 64,
        rain_pool: int = 8,
        rain_hidden: int = 128,
        latent_hidden: int = 128,
        decoder_hidden: int = 128,
        injection: str = "all",
        injected_filters: int = 16,
        prior: str = "learned",
        norm: str = "none",
        noise: int = 4,
        latent_blocks: int = 3,
        height: bool = True,
        dropout: float = 0.1,
        keep_coarse: bool = True,
        block_means: str = "shifted",
        rain_unit: float = 10.0,
        posterior_members: int = 2,
        prior_members: int = 2,
        members: int = 50,
        scale: float = 11.7,
        w_min: float = 0.1,
        w_max: float = 10.0,
        tail_quantile: float = 0.99,
        tail_boost: float = 5.0,
        lambda_reconstruction: float = 0.02,
        lambda_mass: float = 0.0,
        lambda_gradient: float = 0.0,
        beta_kl: float = 0.01,
        beta: str = "elbo",
        crps_weight: float = 5.0,
        log_crps: float = 1.0,
        wet_crps: float = 0.0,
        crps_fairness: float = 1.0,
        posterior_crps: float = 0.3,
        crps_scales: Sequence[int] = (1, 2, 4),
        heavy_quantile: float = 0.95,
        dtype=None,
        name: str | None = None,
    ):
        architecture = Architecture(
            grid=as_sizes(OWNER, "grid", grid, 2),
            coarse_grid=as_sizes(OWNER, "coarse_grid", coarse_grid, 2),
            predictors=as_names(predictors),
            base_filters=base_filters,
            state_filters=as_sizes(OWNER, "state_filters", state_filters, 2),
            state_hidden=state_hidden,
            d_x=d_x,
            d_y=d_y,
            d_z=d_z,
            rain_pool=rain_pool,
            rain_hidden=rain_hidden,
            latent_hidden=latent_hidden,
            decoder_hidden=decoder_hidden,
            injection=injection,
            injected_filters=injected_filters,
            prior=prior,
            norm=norm,
            noise=noise,
            latent_blocks=latent_blocks,
            height=height,
            dropout=dropout,
            keep_coarse=keep_coarse,
            block_means=block_means,
            rain_unit=rain_unit,
            posterior_members=posterior_members,
            prior_members=prior_members,
        )
        loss_settings = LossSettings(
            scale=scale,
            w_min=w_min,
            w_max=w_max,
            tail_quantile=tail_quantile,
            tail_boost=tail_boost,
            lambda_reconstruction=lambda_reconstruction,
            lambda_mass=lambda_mass,
            lambda_gradient=lambda_gradient,
            beta_kl=beta_kl,
            beta=beta,
            crps_weight=crps_weight,
            log_crps=log_crps,
            wet_crps=wet_crps,
            crps_fairness=crps_fairness,
            posterior_crps=posterior_crps,
            crps_scales=as_sizes(OWNER, "crps_scales", crps_scales),
        )
        policy, start = policy_name(dtype), statistics.nominal(architecture.grid, architecture.names)
        network = NetworkBuilder(architecture, start, policy)
        weights = loss_settings.term_weights(scored_laws(architecture.fields))
        super().__init__(weights, inputs=network.inputs, outputs=network.outputs, name=name)
        self.architecture, self.loss_settings, self.policy = architecture, loss_settings, policy
        self.members, self.heavy_quantile = members, heavy_quantile
        self.normalization, self.coder, self.decoder = network.normalization, network.coder, network.decoder
        self.to_rain = network.to_rain
        self.adapt(start)

    @classmethod
    def from_recipe(cls, recipe) -> "PrecipVAE":
        """Make the network of a recipe, not compiled.

        Parameters
        ----------
        recipe : PrecipRecipe
            All of it.
        """
        return cls(**recipe_arguments(recipe))

    @classmethod
    def from_config(cls, config, custom_objects=None) -> "PrecipVAE":
        """Make the network of a configuration; one without a choice is older than that choice."""
        return super().from_config({"block_means": "scaled", "latent_blocks": 0, "height": False} | config)

    def terms(self, x, y, y_pred) -> dict:
        """Compute reconstruction, mass, gradient, kl, and the CRPS of laws of which several fields are decoded."""
        loss, known = self.loss_settings, self.normalization
        truth, observed, field = y["rain"], y["observed"], y_pred["posterior"][:, 0]
        error = losses.weighted_error(truth, field, observed, known.tail.value, known.mean_weight.value, loss)
        values = {
            "reconstruction": error,
            "mass": losses.land_sum_error(truth, field, x["static"][..., 0] * observed),
            "gradient": losses.gradient_error(truth, field, observed),
            "kl": ops.sum(self.kl(y_pred), axis=-1) + self.map_kl(y_pred),
        }
        for law, prefix in scored_laws(self.architecture.fields).items():
            rain = y_pred[law], truth
            seen = {"crps": rain, "log_crps": map(losses.logarithm, rain)}
            if loss.wet_crps:
                seen["wet_crps"] = map(losses.wetness, rain)
            for name, pair in seen.items():
                score = losses.ensemble_score(*pair, observed, loss.crps_scales, loss.crps_fairness)
                values[f"{prefix}{name}"] = score
        if loss.beta == "elbo":
            weights = loss.term_weights(scored_laws(self.architecture.fields))
            own = sum(weights[name] * values[name] for name in values if name in OF_POSTERIOR)
            cells = ops.maximum(ops.sum(observed, losses.AXES), 1.0)
            values["kl"] = values["kl"] * ops.stop_gradient(own) / cells
        return values

    def target_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name the targets: rain [mm/day], and 1 where it is observed."""
        return {"rain": self.architecture.grid, "observed": self.architecture.grid}

    def kl(self, outputs):
        """Compute KL(q || p) of each latent dimension: (batch, d_z) [nats]."""
        names = ("mean", "log_variance", "prior_mean", "prior_log_variance")
        return losses.kl_divergence(*(ops.cast(outputs[name], "float32") for name in names))

    def map_kl(self, outputs):
        """Compute KL(q || N(0, 1)) of the noise of all blocks that has a posterior: (batch,) [nats]."""
        total = ops.zeros_like(outputs["mean"][:, 0])
        for k in self.architecture.latent_maps:
            law = (ops.cast(outputs[f"{part}_{k}"], "float32") for part in ("mean", "log_variance"))
            total = total + ops.sum(losses.kl_divergence(*law, 0.0, 0.0), axis=(1, 2, 3))
        return total

    def noise_shapes(self) -> dict[str, tuple[int, ...]]:
        """List the shapes of the standard normal numbers behind one field, by the input's name."""
        return noise_shapes(self.architecture, self.architecture.grid)

    def noise_inputs(self, count: int, seed: int = 0) -> dict[str, np.ndarray]:
        """Make the noise inputs of `count` examples.

        A prediction uses these numbers, so that it is the same for the same seed; a training samples its own in every
        step, whatever is given.

        Parameters
        ----------
        count : int
            Examples.
        seed : int
            Of the random numbers.

        Returns
        -------
        dict of str to ndarray
            {input: (count, fields of an example, ...)} float32, standard normal.
        """
        fields = sum(self.architecture.fields.values())
        flat = sample_noise(np.random.default_rng(seed), self.noise_shapes(), count * fields)
        return {name: value.reshape(count, fields, *value.shape[1:]) for name, value in flat.items()}

    def training_statistics(self) -> statistics.Statistics:
        """Return the statistics of the training days that the network has taken up."""
        return self.normalization.statistics()

    def adapt(self, known: statistics.Statistics) -> None:
        """Take up statistics of training days, by which rain and coarse state are scaled.

        Parameters
        ----------
        known : Statistics
            As `statistics.compute_statistics` or `statistics.statistics_of_arrays` gives them.
        """
        self.normalization.assign(known)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        sizes, loss = self.architecture, self.loss_settings
        return {
            "grid": sizes.grid,
            "coarse_grid": sizes.coarse_grid,
            "predictors": sizes.predictors,
            "base_filters": sizes.base_filters,
            "state_filters": sizes.state_filters,
            "state_hidden": sizes.state_hidden,
            "d_x": sizes.d_x,
            "d_y": sizes.d_y,
            "d_z": sizes.d_z,
            "rain_pool": sizes.rain_pool,
            "rain_hidden": sizes.rain_hidden,
            "latent_hidden": sizes.latent_hidden,
            "decoder_hidden": sizes.decoder_hidden,
            "injection": sizes.injection,
            "injected_filters": sizes.injected_filters,
            "prior": sizes.prior,
            "norm": sizes.norm,
            "noise": sizes.noise,
            "latent_blocks": sizes.latent_blocks,
            "height": sizes.height,
            "dropout": sizes.dropout,
            "keep_coarse": sizes.keep_coarse,
            "block_means": sizes.block_means,
            "rain_unit": sizes.rain_unit,
            "posterior_members": sizes.posterior_members,
            "prior_members": sizes.prior_members,
            "members": self.members,
            "scale": loss.scale,
            "w_min": loss.w_min,
            "w_max": loss.w_max,
            "tail_quantile": loss.tail_quantile,
            "tail_boost": loss.tail_boost,
            "lambda_reconstruction": loss.lambda_reconstruction,
            "lambda_mass": loss.lambda_mass,
            "lambda_gradient": loss.lambda_gradient,
            "beta_kl": loss.beta_kl,
            "beta": loss.beta,
            "crps_weight": loss.crps_weight,
            "log_crps": loss.log_crps,
            "wet_crps": loss.wet_crps,
            "crps_fairness": loss.crps_fairness,
            "posterior_crps": loss.posterior_crps,
            "crps_scales": loss.crps_scales,
            "heavy_quantile": self.heavy_quantile,
            "dtype": self.policy,
            "name": self.name,
        }


def recipe_arguments(recipe) -> dict:
    """List the constructor's arguments for a recipe."""
    train, fields = recipe.train, recipe.train.fields
    sizes = recipe.model.model_dump(exclude={"temperature"})  # its fields are called as the arguments are
    loss = {name: getattr(train, name) for name in LossSettings.__dataclass_fields__}
    return {
        "grid": recipe.data.grid.fine,
        "coarse_grid": recipe.data.grid.coarse_shape,
        "predictors": predictors(recipe.data),
        **sizes,
        "posterior_members": fields["posterior"],
        "prior_members": fields.get("prior", 0),
        **loss,
        "heavy_quantile": recipe.data.heavy_quantile,
        "dtype": train.dtype,
        "name": "precip",
    }
