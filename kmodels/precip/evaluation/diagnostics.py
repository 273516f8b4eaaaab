"""What TensorBoard shows after every epoch, on validation days."""

import numpy as np

from kmodels.core.spec.task import EvaluationInput
from kmodels.precip.evaluation import figures
from kmodels.precip.evaluation.judge import GAPS, kl_by_dimension, latent, shuffled
from kmodels.precip.evaluation.metrics import combined

MEMBERS = 6
MOST_DAYS = 150  # evenly from all: every epoch looks at them
SCALARS = ("crps", "spread_skill", "p99_ratio", "p95_ratio", "max_ratio", "mean_ratio", "diversity", "ralsd")


def diagnostics(evaluated: EvaluationInput) -> tuple[dict, dict]:
    """(scalars, pictures) of a few draws of some days, from the prior and from the posterior.

    mae_tail is the posterior's: the prototype chose an epoch by it. crps is the prior's;
    it says which epoch is kept.
    """
    drawn = evaluated.prediction
    rows = np.unique(np.linspace(0, len(drawn.days) - 1, MOST_DAYS).astype(int))
    drawn = drawn.take(rows).like(members=min(MEMBERS, drawn.members), brief=True)
    draws = {"prior": drawn, "posterior": drawn.like(mode="posterior", members=2)}
    draws["shuffled"] = shuffled(draws["posterior"])
    found = {mode: combined(one.sums, np.ones(len(drawn.days))) for mode, one in draws.items()}
    prior, posterior = found["prior"], found["posterior"]
    scalars = {"mae_tail": posterior["mae_tail"], "prior_mae_tail": prior["mae_tail"]}
    scalars |= {name: prior[name] for name in SCALARS}
    scalars |= {f"posterior_{name}": posterior[name] for name in ("crps", "diversity", *GAPS)}
    scalars |= {f"gap_{name}": prior[name] / posterior[name] if posterior[name] else np.nan for name in GAPS}
    scalars["shuffle_crps"] = found["shuffled"]["crps"] - posterior["crps"]
    scalars |= latent(drawn)
    scalars = {name: float(value) for name, value in scalars.items() if np.isfinite(value)}
    pictures = {
        "draws": figures.maps(drawn),
        "rank histogram": figures.rank_histogram(drawn.sums),
        "spectra": figures.spectra(drawn.sums, drawn.days.domain.shape),
        "latent dimensions": figures.latent_dimensions(kl_by_dimension(drawn)),
    }
    return scalars, pictures
