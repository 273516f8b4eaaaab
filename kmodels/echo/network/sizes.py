"""How wide each part of the network is, and how many weights that makes. No Keras: recipes and reports ask, too."""

import math

LEVELS = 5  # of the encoder; each but the last is followed by pooling
KERNEL = 9  # weights of a 3 x 3 kernel
EARS = 2
AXES = 2  # of a spectrogram
REDUCTION = 2 ** (LEVELS - 1)  # an image's sides by those of the coarsest level


def channels(width: float) -> list[int]:
    """Return the channels of levels 0 .. 4: width, 2 width, 4 width, 8 width, and 8 width again."""
    return [max(1, round(width * 2 ** min(level, LEVELS - 2))) for level in range(LEVELS)]


def encoder_weights(width: int, read: int) -> int:
    """Count the weights of an encoder that reads so many channels.

    Two convolutions a level, one more at the bottom, each with its scale and shift.
    """
    total, before = 0, read
    for n in channels(width):
        total += KERNEL * (before * n + n * n) + 4 * n
        before = n
    return total + KERNEL * before * before + 2 * before


def decoder_weights(width: int, decoder_width: float) -> int:
    """Count the weights of a decoder of `decoder_width` that reads an encoder of `width`."""
    read, own = channels(width), channels(decoder_width)
    before = min(read[-1], own[-1])
    total = 0
    for level in range(LEVELS - 2, -1, -1):
        n = own[level]
        total += before * n + n  # 1 x 1
        total += KERNEL * (n + min(read[level], n)) * n + 2 * n
        before = n
    return total + before + 1


def single_width(width: int, base_width: int) -> float:
    """Find the width, in eighths, of a decoder with as many weights as base and residual decoder together."""
    wanted = decoder_weights(width, width) + decoder_weights(width, base_width)
    highest = math.ceil(8 * math.hypot(width, base_width)) + 8
    return min((k / 8 for k in range(8, 2 * highest)), key=lambda w: abs(decoder_weights(width, w) - wanted))


def decoder_widths(architecture: str, width: int, base_width: int, single: float | None = None) -> dict[str, float]:
    """Name the network's decoders with their widths.

    Parameters
    ----------
    architecture : {"base_residual", "single"}
        Two decoders, or one.
    width, base_width : int
        Channels of the residual and the base decoder's last level.
    single : float, optional
        Channels of the single decoder's last level; None: as many weights as both others have together.
    """
    if architecture == "single":
        return {"depth": single or single_width(width, base_width)}
    return {"base": base_width, "residual": width}


def weights(model) -> dict[str, int]:
    """Count trainable weights by part, and in all.

    Parameters
    ----------
    model : kmodels.echo.recipe.Model
        A recipe's model section.
    """
    widths = decoder_widths(model.architecture, model.width, model.base_width, model.single_width)
    read = EARS * model.moments + AXES * model.coordinates
    counts = {"encoder": encoder_weights(model.width, read)}
    counts |= {name: decoder_weights(model.width, width) for name, width in widths.items()}
    return counts | {"total": sum(counts.values())}
