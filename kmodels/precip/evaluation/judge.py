"""The scores of a trained model's draws, from the prior and from the posterior, beside those of the baselines."""

import numpy as np
from keras import ops

from kmodels.core.spec.task import Scores
from kmodels.precip.data.records import Days
from kmodels.precip.data.statistics import measured
from kmodels.precip.evaluation import baselines as free
from kmodels.precip.evaluation.metrics import Thresholds, combined, mean_crps, scores, sums_of
from kmodels.precip.evaluation.sampler import Sampler

POSTERIOR_MEMBERS = 10
GAPS = ("max_ratio", "mean_ratio", "p95_ratio", "p99_ratio")
COMPARED = ("rainfarm", "exact_posterior")  # whose CRPS a gate asks for


def metrics(parts: dict[str, Days], drawn: Sampler, seed: int) -> Scores:
    """Scores of prior draws; `posterior_*` of posterior ones; `crps_ratio_*` to the baselines' CRPS; latent figures."""
    prior = scores(drawn.sums, seed)
    posterior = combined(_posterior(drawn).sums, np.ones(len(drawn.days)))
    values = dict(prior.values)
    values |= {f"posterior_{name}": _finite(posterior[name]) for name in ("crps", "diversity", "mae_tail", *GAPS)}
    values |= {f"gap_{name}": _ratio(values[name], posterior[name]) for name in GAPS}
    values |= latent(drawn)
    others = free.ensembles(drawn.model.recipe, parts, drawn.members)
    for name in COMPARED:
        theirs = mean_crps(others[name]) if name in others else None
        values[f"crps_ratio_{name}"] = _ratio(values["crps"], theirs)
    return Scores(values, prior.intervals)


def baselines(recipe, parts: dict[str, Days]) -> dict[str, Scores]:
    """Scores of each baseline; none where there are no training days, whose thresholds they are judged by."""
    if "train" not in parts:
        return {}
    from kmodels.precip.data.encode import states

    train = parts["train"]
    known = measured(train, states(train, np.arange(len(train))), recipe).arrays()
    at = Thresholds.of(known)
    members = recipe.model.members
    found = {}
    for name, ensemble in free.ensembles(recipe, parts, members).items():
        values = combined(sums_of(ensemble, at), np.ones(len(ensemble.days)))
        found[name] = Scores({key: _finite(value) for key, value in values.items()})
    return found


def latent(drawn: Sampler) -> dict[str, float]:
    """kl [nats]; active_units: latent dimensions whose posterior mean varies (its variance over days, less that of the
    prior's mean, is above 0.01; Burda, Grosse and Salakhutdinov 2016)."""
    return {
        "kl": float(kl_by_dimension(drawn).sum()),
        "active_units": float(((drawn.code["mean"] - drawn.code["prior_mean"]).var(0) > 0.01).sum()),
    }


def kl_by_dimension(drawn: Sampler) -> np.ndarray:
    """(d_z,) mean over days of KL(q || p) [nats]."""
    return ops.convert_to_numpy(drawn.model.kl(drawn.code)).mean(0, dtype="float64")


def shuffled(drawn: Sampler) -> Sampler:
    """Posterior draws whose z are those of another day: they are as good as the real ones where z says nothing."""
    order = np.roll(np.arange(len(drawn.days)), 1)
    code = drawn.code | {name: drawn.code[name][order] for name in ("mean", "log_variance")}
    return drawn.like(mode="posterior", code=code)


def _posterior(drawn: Sampler) -> Sampler:
    return drawn.like(mode="posterior", members=min(POSTERIOR_MEMBERS, drawn.members))


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _ratio(ours, theirs) -> float | None:
    return None if ours is None or not theirs or not np.isfinite(theirs) else float(ours / theirs)
