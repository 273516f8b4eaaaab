"""How a network of a recipe is compiled and trained: optimizer, statistics of the training days, course of the loss."""

import keras

from kmodels.core.training.optimizer import Adam
from kmodels.precip.data.encode import all_states
from kmodels.precip.data.records import Days
from kmodels.precip.data.statistics import compute_statistics
from kmodels.precip.network.model import PrecipVAE
from kmodels.precip.network.settings import final_beta
from kmodels.precip.recipe import PrecipRecipe


def build(recipe: PrecipRecipe, steps: int) -> PrecipVAE:
    """Build and compile the network of a recipe.

    Parameters
    ----------
    recipe : PrecipRecipe
        All of it.
    steps : int
        Of the whole training, for the course of the learning rate.
    """
    model = PrecipVAE.from_recipe(recipe)
    model.compile(optimizer=_adamw(recipe.train, steps))
    return model


def adapt(model: PrecipVAE, days: Days) -> None:
    """Let the network take up the statistics of the training days, and where the fine cells lie on the coarse grid."""
    model.adapt(compute_statistics(days, all_states(days), model.loss_settings, model.heavy_quantile))
    if days.domain.places is not None:
        model.locate(days.domain.places)


def schedule(model: PrecipVAE, recipe: PrecipRecipe, epoch: int) -> None:
    """Raise the weight of the divergence linearly from 0 over the warm-up."""
    warm = recipe.train.beta_warmup_epochs
    model.term_weights["kl"].assign(final_beta(recipe.train) * (min(1.0, epoch / warm) if warm else 1.0))


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
