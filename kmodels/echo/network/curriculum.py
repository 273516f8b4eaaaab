"""The curriculum: the base is learned first, then the residual."""


def weights(train, epoch: int) -> dict[str, float]:
    """Return the weights of the loss terms in epoch 0, 1, ...; with a curriculum linear over the warm-up.

    Without one they are the recipe's. With one the depth's ends at the recipe's, and the base's begins there.

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
    ends = (train.lambda_recon_start, train.lambda_recon), (train.lambda_base, train.lambda_base_end)
    recon, base = (first + done * (last - first) for first, last in ends)
    return {"recon": recon, "base": base, "sparse": train.lambda_sparse}


def frozen(train, epoch: int) -> str:
    """Return what is frozen of the base in epoch 0, 1, ...: "none", "sum_only" or "all"."""
    return train.freeze if train.curriculum == "adaptive" and epoch >= train.warmup_epochs else "none"


def schedule(model, recipe, epoch: int) -> None:
    """Set the weights of the loss terms, and freeze, for this epoch: a pure function of it."""
    for name, value in weights(recipe.train, epoch).items():
        if name in model.term_weights:
            model.term_weights[name].assign(value)
    if recipe.has_base:
        model.freeze_base(frozen(recipe.train, epoch))
