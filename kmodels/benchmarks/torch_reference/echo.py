"""The echo network in plain PyTorch, channels first as PyTorch has it: the second opinion on ours."""

import torch
from torch import nn
from torch.nn import functional

from kmodels.benchmarks.torch_reference import echo_range_azimuth

NEAREST = 0.1  # m, in logarithms


def convolved(before: int, n: int) -> nn.Sequential:
    norm = nn.BatchNorm2d(n, eps=1e-3, momentum=0.1)
    return nn.Sequential(nn.Conv2d(before, n, 3, padding=1, bias=False), norm, nn.ReLU())


class Decoder(nn.Module):
    def __init__(self, read: list[int], own: list[int]):
        super().__init__()
        self.first = min(read[-1], own[-1])
        before, ups, joins = self.first, [], []
        for level in (3, 2, 1, 0):
            n = own[level]
            ups.append(nn.Conv2d(before, n, 1))
            joins.append(convolved(n + min(read[level], n), n))
            before = n
        self.own, self.ups, self.joins = own, nn.ModuleList(ups), nn.ModuleList(joins)
        self.out = nn.Conv2d(before, 1, 1)

    def forward(self, skips):
        x = skips[-1][:, : self.first]
        for up, join, level in zip(self.ups, self.joins, (3, 2, 1, 0), strict=True):
            x = functional.interpolate(up(x), scale_factor=2, mode="bilinear")
            x = join(torch.cat([x, skips[level][:, : self.own[level]]], dim=1))
        return self.out(x)[:, 0]


class TorchEcho(nn.Module):
    """EchoNet with coordinates.

    Input (batch, moments x ears, frequency, time); outputs depth, base, residual (batch, y, x) [m].
    """

    def __init__(self, data, model):
        super().__init__()
        size, max_depth, residual_range = data.image_size, data.max_depth, model.residual_range
        width, base_width = model.width, model.base_width
        read = [width, 2 * width, 4 * width, 8 * width, 8 * width]
        befores = [2 * model.moments + 2, *read[:-1]]
        self.levels = nn.ModuleList(
            nn.Sequential(convolved(b, n), convolved(n, n)) for b, n in zip(befores, read, strict=True)
        )
        self.bottom = convolved(read[-1], read[-1])
        self.base, self.residual = (Decoder(read, [w, 2 * w, 4 * w, 8 * w]) for w in (base_width, width))
        self.max_depth, self.residual_range = max_depth, residual_range
        axis = torch.linspace(-1, 1, size)
        self.register_buffer("coordinates", torch.stack(torch.meshgrid(axis, axis, indexing="ij")))
        self.register_buffer("start", torch.zeros(size, size))

    def forward(self, x):
        skips = []
        x = torch.cat([x, self.coordinates.expand(len(x), -1, -1, -1)], dim=1)
        for k, level in enumerate(self.levels):
            x = level(functional.max_pool2d(x, 2) if k else x)
            skips.append(x)
        skips[-1] = self.bottom(x)
        base = torch.sigmoid(self.base(skips) + self.start) * self.max_depth
        residual = torch.tanh(self.residual(skips)) * (self.residual_range * self.max_depth)
        return torch.clamp(base + residual, 0, self.max_depth), base, residual

    def load(self, arrays: dict) -> None:
        """Take the weights of a Keras model: {path: array}."""
        blocks = {"bottom": self.bottom}
        self.start.copy_(torch.tensor(arrays["start/map"]))
        for k, level in enumerate(self.levels):
            blocks |= {f"encoder_{k}a": level[0], f"encoder_{k}b": level[1]}
        for name, decoder in (("base", self.base), ("residual", self.residual)):
            for k, level in enumerate((3, 2, 1, 0)):
                blocks[f"{name}_{level}"] = decoder.joins[k]
                _take(decoder.ups[k], arrays, f"{name}_{level}_up")
            _take(decoder.out, arrays, f"{name}_out")
        for name, (conv, norm, _) in blocks.items():
            _take(conv, arrays, f"{name}_conv")
            for mine, its in (
                (norm.weight, "gamma"),
                (norm.bias, "beta"),
                (norm.running_mean, "moving_mean"),
                (norm.running_var, "moving_variance"),
            ):
                mine.data.copy_(torch.tensor(arrays[f"{name}_norm/{its}"]))


def loss_of(outputs, truth, coarse_depth, weights, relative: float = 0.0, quantile: float = 0.5):
    """weights: of recon, base, sparse; relative: of the errors' logarithmic part; quantile: of the base's error."""
    depth, base, residual = outputs
    valid = (truth > 0).float()
    count = valid.sum((1, 2)).clamp(min=1)

    def mean(values):
        return ((valid * values.abs()).sum((1, 2)) / count).mean()

    def error(found, wanted, quantile=0.5):
        side = 1.0 if quantile == 0.5 else torch.where(found < wanted, 2 * quantile, 2 * (1 - quantile))
        if not relative:
            return mean(side * (found - wanted))
        ratio = torch.log(found.clamp(min=NEAREST)) - torch.log(wanted.clamp(min=NEAREST))
        return mean(side * (found - wanted)) + relative * mean(side * ratio)

    terms = error(depth, truth), error(base, coarse_depth, quantile), mean(residual)
    return sum(w * term for w, term in zip(weights, terms, strict=True))


def channels_first(spectrogram):
    """(batch, frequency, time x moments, ears) as TorchEcho takes it."""
    batch, size = spectrogram.shape[:2]
    return spectrogram.reshape(batch, size, size, -1).permute(0, 3, 1, 2).contiguous()


def _take(conv, arrays, name):
    conv.weight.data.copy_(torch.tensor(arrays[f"{name}/kernel"]).permute(3, 2, 0, 1))
    if conv.bias is not None:
        conv.bias.data.copy_(torch.tensor(arrays[f"{name}/bias"]))


def net(recipe, model) -> nn.Module:
    if recipe.model.front_end == "spectrogram":
        return TorchEcho(recipe.data, recipe.model)
    profile = model.input["profile"].shape
    return echo_range_azimuth.TorchRangeAzimuth(recipe.data, recipe.model, *profile[1:])


def given(inputs) -> tuple:
    if "spectrogram" in inputs:
        return (channels_first(inputs["spectrogram"]),)
    return echo_range_azimuth.channels_first(inputs)


def loss(net, given, targets, recipe, weights):
    each = [weights[name] for name in ("recon", "base", "sparse")]
    train = recipe.train
    truth = targets["depth"], targets["coarse_depth"]
    return loss_of(net(*given), *truth, each, train.lambda_log, train.base_quantile)
