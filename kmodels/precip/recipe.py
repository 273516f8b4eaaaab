"""Every number of a precip run."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from kmodels.core.spec.recipe import Recipe, Section, TrainSection, merge


class Grid(Section):
    """The fine grid; blocks of block x block of its cells are the coarse one's."""

    ny: int = Field(52, ge=2, le=2000, description="fine cells from south to north [cells]")
    nx: int = Field(44, ge=2, le=2000, description="fine cells from west to east [cells]")
    block: int = Field(4, ge=2, le=100, description="fine cells along a side of a coarse one [cells]")

    @model_validator(mode="after")
    def _agrees(self):
        for name in ("ny", "nx"):
            cells = getattr(self, name)
            if cells % self.block:
                raise ValueError(f"{name} = {cells} is no multiple of block = {self.block}: grids that do not nest")
        return self

    @property
    def fine(self) -> tuple[int, int]:
        """(y, x) [fine cells]."""
        return self.ny, self.nx

    @property
    def coarse_shape(self) -> tuple[int, int]:
        """(y, x) [coarse cells]."""
        return self.ny // self.block, self.nx // self.block


class Marginal(Section):
    """How much it rains in a cell on a day: dry, or an amount of the extended generalized Pareto law."""

    wet_share: float = Field(0.35, gt=0, le=1, description="share of cells and days with rain")
    kappa: float = Field(0.78, gt=0, description="shape of the lower tail")
    sigma: float = Field(10.35, gt=0, description="scale [mm/day]")
    xi: float = Field(0.14, gt=0, lt=0.5, description="shape of the upper tail; variance is finite below 1/2")


class Data(Section):
    """What the simulated days are like, and how the days of any data are read and split."""

    n_days: int = Field(4400, ge=3, description="simulated days, one after the other [days]")
    slope: float = Field(3.0, gt=2, le=4, description="the power spectrum falls as wavenumber to this power")
    outer_scale: float = Field(20.0, gt=0, description="wavelength beyond which it is flat [fine cells]")
    rho: float = Field(0.45, ge=0, lt=1, description="share of the latent variance that a whole day has in common")
    day_memory: float = Field(0.5, ge=0, lt=1, description="correlation of a day's common part with yesterday's")
    field_memory: float = Field(0.3, ge=0, lt=1, description="correlation of the rest with yesterday's, moved")
    wind: tuple[int, int] = Field((3, 9), description="(north, east) that a day moves the field [fine cells]")
    relief: float = Field(
        0.8, ge=0, le=5, description="how much mountains, and wind up their slopes, change the rain; 0: not at all"
    )
    seasons: float = Field(0.5, ge=0, le=5, description="how much wetter winters are; 0: all days are alike")
    fronts: float = Field(
        4.0, ge=1, le=9, description="patches of rain are up to so many times as long across the wind as along it"
    )
    exact_posterior: bool = Field(
        False, description="the coarse state shows the latent field instead of rain, so that p(Y|X) is known exactly"
    )
    noise: float = Field(0.1, gt=0, description="with exact_posterior: standard deviation added to that view")
    predictors: tuple[str, ...] = Field(
        (), description="coarse variables that the model sees, in this order; empty: those of the simulator"
    )
    rain_units: str = Field("", description="of rain in files that do not say it, such as mm/day or kg m-2 s-1")
    heavy_quantile: float = Field(
        0.95, gt=0, lt=1, description="a day is heavy if its mean over land lies above this quantile of training days"
    )
    block_days: int = Field(30, ge=1, description="days that follow each other and stay in one part of a split [days]")
    gap_days: int = Field(3, ge=0, description="days left out where a block follows one of another part [days]")
    split: tuple[float, float, float] = Field(
        (0.84, 0.06, 0.10), description="shares of training, validation and test, by block"
    )
    grid: Grid = Grid()
    marginal: Marginal = Marginal()

    @model_validator(mode="after")
    def _agrees(self):
        if min(self.split) <= 0:
            raise ValueError(f"split = {self.split}: every part needs a share above 0")
        if self.gap_days >= self.block_days:
            raise ValueError(f"gap_days = {self.gap_days} leaves nothing of block_days = {self.block_days}")
        if self.exact_posterior and (self.relief or self.seasons or self.fronts > 1):
            raise ValueError(
                "exact_posterior: the law is known for relief = 0, seasons = 0 and fronts = 1 alone, as --variant "
                "exact_posterior has them"
            )
        if len(set(self.predictors)) < len(self.predictors):
            raise ValueError(f"predictors = {self.predictors}: a name twice")
        return self


class Model(Section):
    """The network: two encoders, a latent head, a decoder. The prototype's sizes are in configs/precip_full.yaml."""

    injection: Literal["none", "all", "first", "first_two"] = Field(
        "all", description="blocks of the decoder that see the coarse map itself, not only its summary"
    )
    prior: Literal["standard", "learned"] = Field(
        "learned", description="standard: z ~ N(0, I); learned: z ~ p(z|x), a normal law given by the coarse state"
    )
    norm: Literal["batch", "none"] = Field(
        "none", description="batch: normalization behind convolutions, through which a day sees the rest of its batch"
    )
    base_filters: int = Field(16, ge=1, le=512, description="channels of the finest convolutions")
    state_filters: tuple[int, int] = Field((32, 64), description="channels of the coarse state's convolutions")
    state_hidden: int = Field(128, ge=1, description="width of the coarse state's dense layer")
    d_x: int = Field(64, ge=1, description="length of the coarse state's summary")
    d_y: int = Field(128, ge=1, description="length of the rain field's summary")
    d_z: int = Field(64, ge=1, description="latent dimensions")
    rain_pool: int = Field(8, ge=1, description="the rain encoder's maps are pooled to so many cells a side [cells]")
    rain_hidden: int = Field(128, ge=1, description="width of the rain encoder's dense layer")
    latent_hidden: int = Field(128, ge=1, description="width of the latent head")
    decoder_hidden: int = Field(128, ge=1, description="width of the decoder's first layer")
    injected_filters: int = Field(16, ge=1, description="channels of the coarse map that the decoder sees")
    keep_coarse: bool = Field(
        True, description="let blocks of the fields have the coarse rain, where that is among the predictors"
    )
    block_means: Literal["scaled", "shifted"] = Field(
        "shifted",
        description="how blocks get the coarse rain; scaled: theirs is multiplied; shifted: the logarithm of it is "
        "shifted, and cells that fall below 0 are dry",
    )
    rain_unit: float = Field(
        10.0,
        gt=0,
        description="with shifted blocks: amount up to which rain rises linearly with the decoder's output, and "
        "exponentially above [mm/day]",
    )
    noise: int = Field(
        4, ge=0, le=64, description="channels of white noise that each block of the decoder sees; 0: none"
    )
    latent_blocks: int = Field(
        3,
        ge=0,
        le=3,
        description="the noise of so many blocks, from the coarsest on, is a latent variable with a posterior that "
        "sees the rain",
    )
    height: bool = Field(
        True,
        description="the network sees the height of the land, and the decoder sees land, coast and height; else the "
        "rain's encoder alone sees land and coast",
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="dropout rate after the encoders' hidden dense layers")
    members: int = Field(50, ge=2, description="fields sampled for each held-out day [fields]")
    temperature: float = Field(
        1.0,
        ge=0,
        le=10,
        description="of fields from the prior: z is so many times as far from its mean as the law says",
    )


class Train(TrainSection):
    """How it is trained."""

    epochs: int = Field(7, ge=1, description="passes over the training data [epochs]")
    batch_size: int = Field(16, ge=2, description="days a step [days]")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="AdamW's step size after the warm-up")
    final_learning_rate: float = Field(1e-6, ge=0, description="AdamW's step size at the last step")
    warmup_epochs: int = Field(1, ge=0, description="epochs over which the step size rises from 0 [epochs]")
    weight_decay: float = Field(5e-4, ge=0, description="AdamW's decay of weights")
    heavy_share: float = Field(0.2, ge=0, le=1, description="least share of heavy days in a batch")
    checkpoint_epochs: int = Field(
        10,
        ge=1,
        description="keep a checkpoint every so many epochs, or more often where these are too few for `checkpoints` "
        "[epochs]",
    )
    checkpoints: int = Field(
        5,
        ge=0,
        le=1000,
        description="checkpoints kept at most, the newest, beside the best; each takes 12 bytes a weight, 25 MB by "
        "default",
    )
    scale: float = Field(11.7, gt=0, description="rain at which the weight of an error is 1 [mm/day]")
    w_min: float = Field(0.1, gt=0, description="smallest weight of an error")
    w_max: float = Field(10.0, gt=0, description="largest weight of an error, before the tail's boost")
    tail_quantile: float = Field(0.99, gt=0, lt=1, description="rain above this quantile of training days is tail")
    tail_boost: float = Field(5.0, ge=1, description="factor on the weight of errors there")
    lambda_reconstruction: float = Field(0.02, ge=0, description="weight of the weighted error of a posterior field")
    lambda_mass: float = Field(0.0, ge=0, description="weight of the difference of the sums over land")
    lambda_gradient: float = Field(0.0, ge=0, description="weight of the difference of spatial gradients")
    beta_kl: float = Field(0.01, ge=0, description="weight of the Kullback-Leibler divergence after its warm-up")
    beta: Literal["fixed", "elbo"] = Field(
        "elbo",
        description="weight of the Kullback-Leibler divergence; elbo: the one that makes the sum a bound of the "
        "likelihood, whatever beta_kl says",
    )
    beta_warmup_epochs: int = Field(0, ge=0, description="epochs over which that weight rises from 0 [epochs]")
    objective: Literal["elbo", "crps"] = Field(
        "crps", description="crps: also the fair CRPS of fields sampled from the prior, the path that is used later"
    )
    crps_weight: float = Field(5.0, ge=0, description="weight of that score")
    log_crps: float = Field(
        1.0, ge=0, description="weight of the same score of log(1 + rain / 0.1 mm/day), as a share of it"
    )
    wet_crps: float = Field(
        0.0, ge=0, description="weight of the same score of rain / (rain + 0.1 mm/day), whether it rains, as a share"
    )
    crps_fairness: float = Field(
        1.0, ge=0, le=1, description="1: the fair score, unbiased for any number of fields; 0: the usual one"
    )
    posterior_crps: float = Field(
        0.3,
        ge=0,
        description="weight of the scores of the posterior's fields, as a share of those of the prior's",
    )
    crps_members: int = Field(2, ge=2, le=16, description="fields sampled for it from a law, a day and step [fields]")
    crps_scales: tuple[int, ...] = Field(
        (1, 2, 4), min_length=1, description="the score is one of means over blocks of so many cells a side [cells]"
    )

    @property
    def fields(self) -> dict[str, int]:
        """{law of the latent code: how many fields are sampled from it, a day and step}."""
        if self.objective == "elbo":
            return {"posterior": 1}
        return {"posterior": self.crps_members if self.posterior_crps else 1, "prior": self.crps_members}

    def kept_epochs(self, done: int) -> set[int]:
        """Keep every checkpoint_epochs-th, or in a short training so many that `checkpoints` are kept in the end."""
        if not self.checkpoints:
            return set()
        step = min(self.checkpoint_epochs, max(1, self.epochs // self.checkpoints))
        return set(range(step, done + 1, step)[-self.checkpoints :])

    @model_validator(mode="after")
    def _agrees(self):
        if self.w_min > self.w_max:
            raise ValueError(f"w_min = {self.w_min:g} lies above w_max = {self.w_max:g}")
        return self


# What the prototype's versions have in common: nothing of what repairs the samples from its prior.
PROTOTYPE = {
    "model": {
        "injection": "first",
        "prior": "standard",
        "noise": 0,
        "height": False,
        "norm": "batch",
        "keep_coarse": False,
    },
    "train": {
        "objective": "elbo",
        "beta": "fixed",
        "beta_warmup_epochs": 2,
        "lambda_reconstruction": 1.0,
        "lambda_mass": 0.005,
        "lambda_gradient": 0.1,
    },
}
# What repairs them, by name.
PIECES = {
    "no batch normalization": {"model": {"norm": "none"}},
    "coarse rain kept": {"model": {"keep_coarse": True}},
    "learned prior": {"model": {"prior": "learned"}},
    "ELBO's weight of the divergence": {"train": {"beta": "elbo"}},
    "CRPS training": {
        "model": {"noise": 4, "injection": "all", "height": True},
        "train": {
            "objective": "crps",
            "beta_warmup_epochs": 0,
            "lambda_reconstruction": 0.02,
            "lambda_mass": 0.0,
            "lambda_gradient": 0.0,
        },
    },
}
PLAIN = {"relief": 0.0, "seasons": 0.0, "fronts": 1.0}  # weather that is alike everywhere, always and in all directions
V1 = merge(PROTOTYPE, {"model": {"injection": "none"}, "train": {"beta_kl": 0.05, "w_max": 2.0}})


class PrecipRecipe(Recipe):
    """Plausible fields of daily rain for a coarse state."""

    VARIANTS: ClassVar = {
        "v1": V1,
        "v2": merge(PROTOTYPE, {"model": {"injection": "all"}}),
        "v3": PROTOTYPE,
        "exact_posterior": {"data": {"exact_posterior": True, **PLAIN}},
    }
    RENAMED: ClassVar[dict[str, str]] = {"data.oracle": "data.exact_posterior"}
    RENAMED_VARIANTS: ClassVar[dict[str, str]] = {"oracle": "exact_posterior"}
    BEFORE: ClassVar = {"data": PLAIN, "model": {"block_means": "scaled", "latent_blocks": 0, "height": False}}
    FASTEST: ClassVar = ("tensorflow", "torch", "jax")
    ONE_DEVICE: ClassVar = ("tensorflow",)  # on two the default's loss is no number within ten steps; why is not known
    TUNING: ClassVar = {"train.beta_warmup_epochs": 0}
    SMOKE: ClassVar = {
        "data": {"n_days": 90, "block_days": 6, "grid": {"ny": 24, "nx": 16}, "outer_scale": 8.0},
        "model": {
            "base_filters": 4,
            "d_z": 8,
            "rain_pool": 2,
            "rain_hidden": 32,
            "decoder_hidden": 32,
            "state_hidden": 32,
            "latent_hidden": 32,
            "d_x": 16,
            "d_y": 32,
            "members": 6,
        },
        "train": {"epochs": 2, "batch_size": 16},
    }

    task: Literal["precip"] = Field("precip", description="the model that this recipe belongs to")
    data: Data = Data()
    model: Model = Model()
    train: Train = Train()


RECIPE = PrecipRecipe
