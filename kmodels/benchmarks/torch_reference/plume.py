"""The plume network of the default recipe in plain PyTorch, channels first as PyTorch has it: the second opinion."""

import itertools

import torch
from torch import nn
from torch.nn import functional

from kmodels.benchmarks.torch_reference.conv_lstm import TorchConvLSTM3D

OFFSETS = tuple(itertools.product((-1, 0, 1), repeat=3))


def convolved(before: int, n: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv3d(before, n, 3, padding=1), nn.ReLU())


class TorchPlume(nn.Module):
    """PlumeNet with base "transport", wind and one ConvLSTM.

    Inputs: past (batch, time, z, y, x), static (batch, 3, z, y, x), wind (batch, time, 2, z), transport (batch, 4, z,
    y, x). Outputs future and carried, (batch, z, y, x).
    """

    def __init__(self, model):
        super().__init__()
        n, self.keep = model.filters, model.memory
        assert model.base == "transport" and model.wind and model.num_layers == 1 and model.kernel_size == 3
        self.frame, self.frame_norm = nn.Conv3d(3, n, 3, padding=1), nn.BatchNorm3d(n, eps=1e-3, momentum=0.01)
        self.memory = TorchConvLSTM3D(n, n)
        self.maps = nn.ModuleList([convolved(7, n // 2), convolved(n // 2, n)])
        self.fusion, self.decoder = (
            convolved(2 * n, n),
            nn.ModuleList([convolved(2 * n, n), convolved(n + n // 2 + 5, n)]),
        )
        self.level, self.diffusivity, self.shares = (nn.Conv3d(n, k, 1) for k in (1, 1, len(OFFSETS)))

    def forward(self, past, static, wind, transport):
        batch, time, *volume = past.shape
        winds = wind[..., None, None].expand(-1, -1, -1, *volume)
        frames = torch.cat([past[:, :, None], winds], 2).flatten(0, 1)
        frames = torch.relu(self.frame_norm(self.frame(frames))).unflatten(0, (batch, time))
        coarse = self.maps[0](torch.cat([static, transport], 1))
        x = self.fusion(torch.cat([self.memory(frames), self.maps[1](coarse)], 1))
        x = self.decoder[0](torch.cat([x, frames[:, -1]], 1))
        x = self.decoder[1](torch.cat([x, coarse, transport, past[:, -1:]], 1))
        return self._transported(x, past[:, -1], 1 - static[:, 0], torch.expm1(transport))

    def _transported(self, x, last, air, by_wind):
        level = self.level(x) - 1e9 * (1 - air[:, None])
        carried = by_wind[:, :2] + level.softmax(2) * by_wind[:, 2:]
        carried = mixed(spread(carried, self.shares(x), air), functional.softplus(self.diffusivity(x))[:, 0], air)
        future = (carried[:, 0] + self.keep * (torch.expm1(last) - carried[:, 1])).clamp(min=0) * air
        return torch.log1p(future), torch.log1p(carried[:, 0] * air)

    def load(self, arrays: dict) -> None:
        """Take the weights of a Keras model: {path: array}."""
        layers = {"frame": self.frame, "maps_0": self.maps[0][0], "maps_1": self.maps[1][0], "fusion": self.fusion[0]}
        layers |= {"decoder_0": self.decoder[0][0], "decoder_1": self.decoder[1][0]}
        layers |= {name: getattr(self, name) for name in ("level", "diffusivity", "shares")}
        with torch.no_grad():
            for name, layer in layers.items():
                layer.weight.copy_(torch.tensor(arrays[f"{name}/kernel"]).permute(4, 3, 0, 1, 2))
                layer.bias.copy_(torch.tensor(arrays[f"{name}/bias"]))
            norm = self.frame_norm
            own = {"gamma": norm.weight, "beta": norm.bias}
            own |= {"moving_mean": norm.running_mean, "moving_variance": norm.running_var}
            for name, tensor in own.items():
                tensor.copy_(torch.tensor(arrays[f"frame_norm/{name}"]))
        self.memory.load(*(arrays[f"memory_0/conv_lstm_cell/{n}"] for n in ("kernel", "recurrent_kernel", "bias")))


def spread(field, logits, air):
    """Every cell's content goes to itself and its neighbours: (batch, fields, z, y, x)."""
    around = functional.pad(functional.pad(air, (1, 1, 1, 1), value=1.0), (0, 0, 0, 0, 1, 1))
    opened = torch.stack([_part(around, offset) for offset in OFFSETS], 1)
    own = air.new_tensor([float(offset == (0, 0, 0)) for offset in OFFSETS])[:, None, None, None]
    shares = (logits + 4 * own - 1e9 * (1 - opened)).softmax(1)
    given = functional.pad(shares[:, None] * field[:, :, None], (1, 1, 1, 1, 1, 1))
    return sum(_part(given[:, :, k], [-step for step in offset]) for k, offset in enumerate(OFFSETS))


def _part(padded, offset):
    return padded[(..., *(slice(1 + step, (step - 1) or None) for step in offset))]


def mixed(field, number, air):
    """Implicit vertical diffusion: one tridiagonal system a column, by Thomas' elimination."""
    above = torch.cat([air[:, 1:], torch.ones_like(air[:, :1])], 1)
    passes = (number * air * above)[:, None].unbind(2)
    below, upper, solved = 0.0, [0.0], [0.0]
    for column, passed in zip(field.unbind(2), passes, strict=True):
        pivot = 1 / (1 + passed + below * (1 - upper[-1]))
        solved.append((column + below * solved[-1]) * pivot)
        upper.append(passed * pivot)
        below = passed
    found = [solved[-1]]
    for here, coupling in zip(solved[-2:0:-1], upper[-2:0:-1], strict=True):
        found.append(here + coupling * found[-1])
    return torch.stack(found[::-1], 2)


def net(recipe, model) -> TorchPlume:
    return TorchPlume(recipe.model)


def given(inputs) -> tuple:
    static, transport = (inputs[name].permute(0, 4, 1, 2, 3).contiguous() for name in ("static", "transport"))
    return inputs["past"], static, inputs["wind"].transpose(2, 3).contiguous(), transport


def loss(net, given, targets, recipe, weights):
    """log, mass and peak, each the mean over the two outputs."""
    truth, air = targets["future"], 1 - given[1][:, 0]
    outputs = net(*given)
    found = {name: sum(error(truth, field, air).mean() for field in outputs) / 2 for name, error in ERRORS.items()}
    return sum(weights[name] * term for name, term in found.items())


def _over(values):
    return values.sum((1, 2, 3))


def log_error(truth, field, air):
    return _over(air * (field - truth) ** 2) / _over(air).clamp(min=1)


def mass_error(truth, field, air):
    masses = [torch.log1p(_over(air * torch.expm1(values))) for values in (field, truth)]
    return (masses[0] - masses[1]) ** 2


def peak_error(truth, field, air):
    field, truth = torch.expm1(field), torch.expm1(truth)
    return _over(air * (field - truth) ** 2) / (_over(air * truth**2) + 1)


ERRORS = {"log": log_error, "mass": mass_error, "peak": peak_error}
