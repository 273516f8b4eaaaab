"""How wide each part of the network is, and how many weights that makes. No Keras: recipes and reports ask, too."""

import math

LEVELS = 5  # of the encoder; each but the last is followed by pooling
KERNEL = 9  # weights of a 3 x 3 kernel
EARS = 2
AXES = 2  # of a spectrogram


def channels(width: float) -> list[int]:
    """Channels of levels 0 .. 4: width, 2 width, 4 width, 8 width, and 8 width again."""
    return [max(1, round(width * 2 ** min(level, LEVELS - 2))) for level in range(LEVELS)]


def encoder_weights(width: int, read: int) -> int:
    """Trainable weights of the encoder that reads so many channels: two convolutions a level, one more at the bottom,
    each with its scale and shift."""
    total, before = 0, read
    for n in channels(width):
        total += KERNEL * (before * n + n * n) + 4 * n
        before = n
    return total + KERNEL * before * before + 2 * before


def decoder_weights(width: int, decoder_width: float) -> int:
    """Trainable weights of a decoder of this width that reads an encoder of that width."""
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
    """The width, in eighths, of the one decoder that has as many weights as base and residual decoder together."""
    wanted = decoder_weights(width, width) + decoder_weights(width, base_width)
    highest = math.ceil(8 * math.hypot(width, base_width)) + 8
    return min((k / 8 for k in range(8, 2 * highest)), key=lambda w: abs(decoder_weights(width, w) - wanted))


def decoder_widths(model) -> dict[str, float]:
    """The network's decoders and their widths. model: a recipe's model section."""
    if model.architecture == "single":
        return {"depth": model.single_width or single_width(model.width, model.base_width)}
    return {"base": model.base_width, "residual": model.width}


def weights(model) -> dict[str, int]:
    """Trainable weights by part, and in all. model: a recipe's model section."""
    read = EARS * model.moments + AXES * model.coordinates
    found = {"encoder": encoder_weights(model.width, read)}
    found |= {name: decoder_weights(model.width, width) for name, width in decoder_widths(model).items()}
    return found | {"total": sum(found.values())}
