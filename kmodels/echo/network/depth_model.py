"""What networks have in common whose depth is a base and a residual: loss terms, and a base that can be frozen."""

from keras import ops

from kmodels.core.spec.arguments import check_choice, check_numbers
from kmodels.core.training.term_model import TermModel
from kmodels.echo.network import losses
from kmodels.echo.network.freezing import FreezingAdam
from kmodels.echo.network.normalization import FreezableNormalization

FREEZES = ("none", "sum_only", "all")
BASE = "base_"  # so begin the names of the layers that make the base


def check_shared(owner: str, settings: dict) -> None:
    """Refuse a largest depth, a residual's range or parts of the loss that would fail deep inside, or never."""
    check_numbers(owner, "above 0", max_depth=settings["max_depth"])
    check_numbers(owner, "between 0 and 1", base_quantile=settings["base_quantile"])
    check_numbers(owner, "above 0, at most 1", residual_range=settings["residual_range"])
    check_numbers(owner, **{name: value for name, value in settings.items() if name.startswith("lambda_")})


def shared_arguments(recipe) -> dict:
    """List the constructor's arguments for a recipe that all networks have."""
    train = recipe.train
    return {
        "image_size": recipe.data.image_size,
        "width": recipe.model.width,
        "max_depth": recipe.data.max_depth,
        "residual_range": recipe.model.residual_range,
        "base_quantile": train.base_quantile,
        **{name: getattr(train, name) for name in ("lambda_recon", "lambda_log", "lambda_base", "lambda_sparse")},
        "dtype": train.dtype,
        "name": "echo",
    }


def with_residual(base, logits, settings: dict) -> dict:
    """Add a residual, tanh(logits) residual_range max_depth, to a base [m]: the outputs of a network."""
    residual = ops.tanh(logits) * (settings["residual_range"] * settings["max_depth"])
    return {"depth": ops.clip(base + residual, 0.0, settings["max_depth"]), "base": base, "residual": residual}


def term_weights(settings: dict, outputs: dict) -> dict[str, float]:
    """Choose the weights of the loss terms among a constructor's arguments; without a base there is one term."""
    names = ("recon", "base", "sparse") if "base" in outputs else ("recon",)
    return {name: settings[f"lambda_{name}"] for name in names}


class DepthModel(TermModel):
    """A functional network with the outputs "depth" and, but for a single decoder, "base" and "residual" [m].

    Attributes
    ----------
    detached : dict of str to keras.Variable
        "sum", "loss": 1 where no gradient reaches the base through the sum, or through its own loss.
    """

    def remember(self, settings: dict) -> None:
        """Keep a subclass's constructor's arguments as attributes, and add the switches of the base.

        Parameters
        ----------
        settings : dict
            All of them but the name; among them `image_size`, `max_depth` [m], `lambda_log` and `base_quantile`.
        """
        self._arguments = tuple(settings)
        self.policy = settings["dtype"]  # Keras' own `dtype` is another thing
        for name in settings.keys() - {"dtype"}:
            setattr(self, name, settings[name])
        self.detached = {part: self.scalar(f"detached_{part}") for part in ("sum", "loss")}

    @property
    def has_base(self) -> bool:
        """Whether there are a base and a residual."""
        return "base" in self.output

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        settings = {name: getattr(self, "policy" if name == "dtype" else name) for name in self._arguments}
        return settings | {"name": self.name}

    def target_shapes(self) -> dict[str, tuple[int | None, ...]]:
        """Name the targets: "depth" and, where there is a base, "coarse_depth"."""
        names = ("depth", "coarse_depth") if self.has_base else ("depth",)
        return dict.fromkeys(names, (self.image_size, self.image_size))

    def terms(self, x, y, y_pred) -> dict:
        """Compute recon, base and sparse over pixels of known depth, see `losses` [m]."""
        truth, relative = y["depth"], self.lambda_log
        valid = ops.cast(truth > 0, "float32")
        if not self.has_base:
            return {"recon": losses.depth_error(truth, y_pred["depth"], valid, relative)}
        base, residual = y_pred["base"], y_pred["residual"]
        seen = losses.partly_detached(base, self.detached["sum"])
        depth = ops.clip(seen + residual, 0.0, self.max_depth)
        own = losses.partly_detached(base, self.detached["loss"])
        return {
            "recon": losses.depth_error(truth, depth, valid, relative),
            "base": losses.depth_error(y["coarse_depth"], own, valid, relative, self.base_quantile),
            "sparse": losses.sparsity(residual, valid),
        }

    def freeze_base(self, how: str) -> None:
        """Choose what trains the base from now on; nothing is compiled again.

        Parameters
        ----------
        how : {"none", "sum_only", "all"}
            "none": everything trains it. "sum_only": no gradient reaches it through the sum. "all": its layers stay
            as they are, to the last bit.

        Raises
        ------
        ValueError
            For "all" where the model was compiled with another optimizer than `FreezingAdam(freezes="base_")`.
        """
        owner = type(self).__name__
        check_choice(f"{owner}.freeze_base", "how", how, FREEZES)
        everything = float(how == "all")
        if isinstance(self.optimizer, FreezingAdam):
            self.optimizer.build(self.trainable_variables)
            self.optimizer.frozen.assign(everything)
        elif everything:
            raise ValueError(
                f"{owner}.freeze_base('all') needs compile(FreezingAdam(freezes={BASE!r})); with another optimizer "
                f"momentum would still move the base"
            )
        self.detached["sum"].assign(float(how != "none"))
        self.detached["loss"].assign(everything)
        for layer in self.layers:
            if isinstance(layer, FreezableNormalization):
                layer.frozen.assign(everything)
