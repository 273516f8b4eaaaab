"""What a network is built with, checked once: its architecture and its loss."""

from collections.abc import Iterable
from dataclasses import dataclass

from kmodels.core.spec.arguments import check_choice, check_integers, check_numbers, check_rate
from kmodels.precip.data.encode import BLOCKS
from kmodels.precip.data.variables import RAIN

INJECTED = {"none": (), "all": (0, 1, 2), "first": (0,), "first_two": (0, 1)}  # decoder blocks that see the coarse map
OWNER = "PrecipVAE"


@dataclass(frozen=True)
class Architecture:
    """Sizes and choices of the network; `PrecipVAE` says what each of them is."""

    grid: tuple[int, int]
    coarse_grid: tuple[int, int]
    predictors: int | tuple[str, ...]
    base_filters: int
    state_filters: tuple[int, int]
    state_hidden: int
    d_x: int
    d_y: int
    d_z: int
    rain_pool: int
    rain_hidden: int
    latent_hidden: int
    decoder_hidden: int
    injection: str
    injected_filters: int
    prior: str
    norm: str
    noise: int
    latent_blocks: int
    height: bool
    dropout: float
    keep_coarse: bool
    block_means: str
    rain_unit: float
    posterior_members: int
    prior_members: int

    def __post_init__(self):
        check_choice(OWNER, "injection", self.injection, INJECTED)
        check_choice(OWNER, "prior", self.prior, ("standard", "learned"))
        check_choice(OWNER, "norm", self.norm, ("batch", "none"))
        check_choice(OWNER, "block_means", self.block_means, ("scaled", "shifted"))
        check_numbers(OWNER, "above 0", rain_unit=self.rain_unit)
        one_or_more = ("base_filters", "state_hidden", "d_x", "d_y", "d_z", "rain_pool", "rain_hidden", "latent_hidden")
        one_or_more += ("decoder_hidden", "injected_filters", "posterior_members")
        check_integers(OWNER, **{name: getattr(self, name) for name in one_or_more})
        check_integers(OWNER, least=0, noise=self.noise, prior_members=self.prior_members)
        check_integers(OWNER, least=0, latent_blocks=self.latent_blocks)
        if self.latent_blocks > BLOCKS:
            raise ValueError(f"{OWNER}: latent_blocks = {self.latent_blocks}; the decoder has {BLOCKS} blocks")
        check_rate(OWNER, dropout=self.dropout)
        if self.kept_channel is not None and any(n % c for n, c in zip(self.grid, self.coarse_grid, strict=True)):
            raise ValueError(
                f"{OWNER}: grid = {self.grid} is no multiple of coarse_grid = {self.coarse_grid}: the coarse rain can "
                "only be kept in blocks of fine cells; use keep_coarse=False where the grids do not nest"
            )

    @property
    def channels(self) -> int:
        """The number of coarse variables."""
        return self.predictors if isinstance(self.predictors, int) else len(self.predictors)

    @property
    def names(self) -> tuple[str, ...]:
        """The coarse variables; empty names where only their number is known."""
        return ("",) * self.predictors if isinstance(self.predictors, int) else self.predictors

    @property
    def kept_channel(self) -> int | None:
        """Which coarse variable is rain that the fields keep; None where they keep none, or none is known to be it."""
        return self.names.index(RAIN) if self.keep_coarse and RAIN in self.names else None

    @property
    def injected(self) -> tuple[int, ...]:
        """The decoder blocks that see the coarse map."""
        return INJECTED[self.injection]

    @property
    def statics(self) -> int:
        """How many maps say where land lies."""
        return 3 if self.height else 2

    @property
    def latent_maps(self) -> range:
        """The decoder blocks whose noise has a posterior."""
        return range(self.latent_blocks if self.noise else 0)

    @property
    def fields(self) -> dict[str, int]:
        """{law of the latent code: how many fields are decoded from it for an example}."""
        counts = {"posterior": self.posterior_members, "prior": self.prior_members}
        return {law: count for law, count in counts.items() if count}


@dataclass(frozen=True)
class LossSettings:
    """Weights of the loss; `PrecipVAE` says what each of them is."""

    scale: float
    w_min: float
    w_max: float
    tail_quantile: float
    tail_boost: float
    lambda_reconstruction: float
    lambda_mass: float
    lambda_gradient: float
    beta_kl: float
    beta: str
    crps_weight: float
    log_crps: float
    wet_crps: float
    crps_fairness: float
    posterior_crps: float
    crps_scales: tuple[int, ...]

    def __post_init__(self):
        check_choice(OWNER, "beta", self.beta, ("fixed", "elbo"))
        check_numbers(OWNER, "above 0", scale=self.scale, w_min=self.w_min, w_max=self.w_max)
        if self.w_min > self.w_max:
            raise ValueError(f"{OWNER}: w_min = {self.w_min!r}; expected a number, at most w_max = {self.w_max:g}")
        check_numbers(OWNER, "between 0 and 1", tail_quantile=self.tail_quantile)
        weights = ("lambda_reconstruction", "lambda_mass", "lambda_gradient", "beta_kl")
        weights += ("tail_boost", "crps_weight", "log_crps", "wet_crps", "posterior_crps")
        check_numbers(OWNER, "from 0 to 1", crps_fairness=self.crps_fairness)
        check_numbers(OWNER, **{name: getattr(self, name) for name in weights})

    def term_weights(self, scored: dict[str, str]) -> dict[str, float]:
        """Collect {loss term: weight}, that of kl after its warm-up. scored: as `scored_laws` gives it."""
        weights = {
            "reconstruction": self.lambda_reconstruction,
            "mass": self.lambda_mass,
            "gradient": self.lambda_gradient,
            "kl": final_beta(self),
        }
        for law, prefix in scored.items():
            weight = self.crps_weight * (self.posterior_crps if law == "posterior" else 1.0)
            weights |= {f"{prefix}crps": weight, f"{prefix}log_crps": weight * self.log_crps}
            if self.wet_crps:
                weights[f"{prefix}wet_crps"] = weight * self.wet_crps
        return weights


def final_beta(loss) -> float:
    """Return the weight of the divergence after its warm-up; loss: LossSettings or a recipe's train.

    beta = "elbo": the bound of a Laplace likelihood whose scale is the day's own error e is, per cell and times e, the
    error plus e / cells times the divergence (the scale that maximizes the bound, Rybkin, Daniilidis and Levine 2021,
    arXiv:2006.13202). e is all that the loss says of the day's posterior fields; e / cells is in the term.
    """
    return 1.0 if loss.beta == "elbo" else loss.beta_kl


def scored_laws(fields: dict[str, int]) -> dict[str, str]:
    """Choose the laws with several decoded fields, so that they have a CRPS: {law: prefix of its terms' names}."""
    prefixes = {"prior": "", "posterior": "posterior_"}
    return {law: prefixes[law] for law, count in fields.items() if count > 1}


def as_names(predictors: int | Iterable[str]) -> int | tuple[str, ...]:
    """Coarse variables as a number or a tuple of names.

    Raises
    ------
    ValueError
        Where they are neither, or none: one name alone would count as many of one letter.
    """
    if isinstance(predictors, int) and predictors >= 1:
        return predictors
    names = tuple(predictors) if isinstance(predictors, Iterable) and not isinstance(predictors, str) else ()
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{OWNER}: predictors = {predictors!r}; expected names such as ['pr', 'psl'], or their number")
    return names
