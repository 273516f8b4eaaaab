"""How wide each part of the network is, and how many weights that makes. No Keras: recipes and reports ask, too."""

import math

from kmodels.echo.data.prepare import recording_length
from kmodels.echo.data.range_azimuth import BANDS, DIRECTIONS, PROFILES, STEPS, n_ranges

LEVELS = 5  # of the encoder; each but the last is followed by pooling
KERNEL = 9  # weights of a 3 x 3 kernel
EARS = 2
AXES = 2  # of a spectrogram
REDUCTION = 2 ** (LEVELS - 1)  # an image's sides by those of the coarsest level
# Of the network that hears range and direction.
HIDDEN = 256
TRUNK = (2, 3, 4, 4)  # channels of its convolutions, by those of the first
COARSE = 16  # cells a side, of the residual's first maps
ROW_CHANNELS = 16  # of a coarse cell


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


def weights(recipe) -> dict[str, int]:
    """Count trainable weights by part, and in all.

    Parameters
    ----------
    recipe : EchoRecipe
        The recipe of a network.
    """
    model = recipe.model
    if model.front_end != "spectrogram":
        counts = range_azimuth_weights(recipe)
        return counts | {"total": sum(counts.values())}
    widths = decoder_widths(model.architecture, model.width, model.base_width, model.single_width)
    read = EARS * model.moments + AXES * model.coordinates
    counts = {"encoder": encoder_weights(model.width, read)}
    counts |= {name: decoder_weights(model.width, width) for name, width in widths.items()}
    return counts | {"total": sum(counts.values())}


def range_azimuth_weights(recipe) -> dict[str, int]:
    """Count the weights of a `RangeAzimuthNet`: of what both parts read, of the base, of the residual."""
    width, hidden = recipe.model.width, HIDDEN
    ranges = n_ranges(recording_length(recipe.data.max_depth))
    shared = 2 * PROFILES + (3 * PROFILES + 1) * 2 * width + 3 * 2 * width * width  # the profile
    shared += ranges // 2 * (DIRECTIONS // 2) * width + 2 * width  # places on the map
    shared += KERNEL * len(BANDS) * width * (recipe.model.front_end == "range_azimuth")
    before = width
    for times in TRUNK:
        n = times * width
        shared += KERNEL * before * n + 2 * n
        before = n
    columns = DIRECTIONS // 2
    shared += (ranges // STEPS * before + 1) * hidden  # the column's layer
    shared += (hidden + 1) * (hidden // 8) + (columns * (hidden // 8) + 1) * hidden  # the room's
    half = hidden // 2
    base = 2 * (hidden + 1) * hidden + (hidden + 1) * 2  # the room's, and floor and ceiling
    base += (5 * hidden + 1) * half + (5 * half + 1) * half + half + 1  # walls
    return {"shared": shared, "base": base, "residual": _residual_weights(recipe, hidden)}


def _residual_weights(recipe, hidden: int) -> int:
    """Count the weights of the residual of a `RangeAzimuthNet`."""
    n, cells = 3 * recipe.model.width, (recipe.data.image_size // COARSE) ** 2
    total = (hidden + 1) * hidden + 2 * (3 * hidden * hidden + 3 * hidden)  # the room's, and along the direction
    total += (hidden + 1) * COARSE * ROW_CHANNELS
    return total + KERNEL * (ROW_CHANNELS + cells + n) * n + 4 * n + (n + 1) * cells
