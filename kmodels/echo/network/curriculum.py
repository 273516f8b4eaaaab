"""The curriculum: the base is learned first, then the residual."""

RECON = (0.3, 1.0)  # lambda_recon at the beginning and at the end of the warm-up
BASE = (2.0, 0.3)  # lambda_base


def weights(train, epoch: int) -> dict[str, float]:
    """Return the weights of the loss terms in epoch 0, 1, ...; linear over the warm-up.

    Parameters
    ----------
    train : kmodels.echo.recipe.Train
        A recipe's section.
    epoch : int
        Counted from 0.
    """
    if train.curriculum == "none":
        return {"recon": train.lambda_recon, "base": train.lambda_base, "sparse": train.lambda_sparse}
    done = min(epoch / train.warmup_epochs, 1.0)
    recon, base = (first + done * (last - first) for first, last in (RECON, BASE))
    return {"recon": recon, "base": base, "sparse": train.lambda_sparse}


def frozen(train, epoch: int) -> str:
    """Return what is frozen of the base in epoch 0, 1, ...: "none", "sum_only" or "all"."""
    return train.freeze if train.curriculum == "adaptive" and epoch >= train.warmup_epochs else "none"


def schedule(model, recipe, epoch: int) -> None:
    """Set the weights of the loss terms, and freeze, for this epoch: a pure function of it."""
    for name, value in weights(recipe.train, epoch).items():
        if name in model.term_weights:
            model.term_weights[name].assign(value)
    if recipe.model.architecture == "base_residual":
        model.freeze_base(frozen(recipe.train, epoch))
