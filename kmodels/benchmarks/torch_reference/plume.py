"""The plume network of the default recipe in plain PyTorch, channels first as PyTorch has it: the second opinion."""

from typing import NamedTuple

import torch
from torch import nn

from kmodels.benchmarks.torch_reference.plume_solver import X, Y, Z, openings, solve, weigh
from kmodels.benchmarks.torch_reference.plume_unet import UNet, convolved
from kmodels.plume.data.flow.courant import MOST
from kmodels.plume.network.closures import CLOSED, LARGEST, NEUTRAL, REFINEMENTS, WIDTH
from kmodels.plume.network.dispersion import STABLE
from kmodels.plume.network.evidence import SHIFTS


class Place(NamedTuple):
    """What the solutions of one example share: fields [c0], winds along and across by axis, the ground, class D."""

    before: torch.Tensor
    last: torch.Tensor
    air: torch.Tensor
    opened: dict
    flows: dict
    wind_before: torch.Tensor
    neutral: tuple


def dense(before: int, n: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(before, n), nn.ReLU())


class TorchPlume(nn.Module):
    """PlumeNet with base "solver", wind and one ConvLSTM.

    Inputs: past (batch, time, z, y, x), static (batch, 3, z, y, x), wind (batch, time, 2, z), flow_x, flow_y, flow_z
    (2, batch, z, y, x; one face more than cells), wind_before (batch, 2). Outputs future and carried, (batch, z, y, x);
    in a training no future, which no term of the loss is made of.
    """

    def __init__(self, model):
        super().__init__()
        n, levels = model.filters, model.grid[0]
        assert model.base == "solver" and model.wind and not model.transport
        assert model.num_layers == 1 and model.kernel_size == 3
        self.keep, self.substeps, (dz, dy, dx) = model.memory, model.substeps, model.cell
        self.amount = 1e-3 * model.seconds / (dz * dy * dx) / model.c0
        widths = zip(NEUTRAL, (dx, dz), strict=True)
        self.neutral = [10 * length * model.seconds / width**2 for length, width in widths]
        self.unet = UNet(n, model.scales)
        self.closure_cells = nn.Conv3d(n, 2 * n, 1)
        known = 2 * n + levels * (1 + model.past)
        self.hidden = nn.Sequential(*dense(known, WIDTH), *dense(WIDTH, WIDTH))
        self.closure, self.correction_0 = nn.Linear(WIDTH, 4), nn.Linear(WIDTH + 10, WIDTH)
        self.correction = nn.Linear(WIDTH + 10, 4)
        widths = (2 * n + model.past + WIDTH, 32, 16)
        self.passing = nn.ModuleList(
            [nn.Conv1d(a, b, k, padding="same") for a, b, k in zip(widths, (32, 16, 1), (3, 3, 1), strict=True)]
        )
        self.level = nn.Sequential(*convolved(n, n), nn.Conv3d(n, 1, 1))
        shifts = torch.cat([torch.zeros(1, 4), torch.diag(torch.tensor(SHIFTS))])
        self.register_buffer("shifts", shifts[:, None], persistent=False)

    def forward(self, past, static, wind, flow_x, flow_y, flow_z, wind_before):
        x, air = self.unet(past, static, wind), 1 - static[:, 0]
        amounts = past.expm1() * air[:, None]
        speed = (wind[:, -1].square().sum(1) + 1e-6).sqrt()
        numbers, passing, hidden = self._guessed(x, past[:, -1] * air, amounts, speed)
        emitted = self._emitted(x, static, air)
        with torch.autocast(x.device.type, enabled=False):
            neutral, flows = [number * speed[:, 0] for number in self.neutral], {X: flow_x, Y: flow_y, Z: flow_z}
            place = Place(*amounts[:, -2:].unbind(1), air, openings(air), flows, wind_before, neutral)
            told = self._probed(numbers, passing, emitted, place)
            corrected = torch.relu(self.correction_0(torch.cat([hidden, told], -1)))
            numbers = numbers + self.correction(torch.cat([corrected, told], -1))
            carried = self._solved(place.last, blown(numbers), numbers, passing, emitted, place).log1p()
            return None if self.training else self._forecast(numbers, passing, emitted, place), carried

    def _guessed(self, x, last, amounts, speed):
        """Numbers (batch, 4), passing (batch, z, 1, 1) and what they were made of, from the features in the cloud."""
        cloud = last[:, None] + 1e-3
        cells = torch.relu(self.closure_cells(x)).float()
        weight, features = cloud.sum((3, 4)), (cells * cloud).sum((3, 4))
        mass = amounts.sum((3, 4)).log1p() / 10  # (batch, past, z)
        log = speed.log()
        profile = torch.cat([log[:, :1], 10 * log.diff(dim=1)], 1)
        known = torch.cat([features.sum(2) / weight.sum(2), profile, mass.mT.flatten(1)], 1)
        hidden = self.hidden(known).float()
        levels = torch.cat([features / weight, mass, hidden[..., None].expand(-1, -1, mass.shape[2])], 1)
        for layer in self.passing[:-1]:
            levels = torch.relu(layer(levels))
        passing = self.passing[-1](levels).float()[:, 0, :, None, None]
        return self.closure(hidden).float(), limited(passing, CLOSED), hidden

    def _emitted(self, x, static, air):
        level = self.level(x)[:, 0].float() - 1e9 * (1 - air)
        return level.softmax(1) * static[:, 1].expm1().sum(1, keepdim=True) * self.amount

    @torch.no_grad()
    def _probed(self, numbers, passing, emitted, place: Place):
        """What the forecasts of the last frame tell, with the numbers as they are and with each of them shifted."""
        numbers = numbers + self.shifts
        winds = turned(blown(numbers), place.wind_before)
        return weigh(self._solved(place.before, winds, numbers, passing, emitted, place), place.last, place.air)

    def _forecast(self, numbers, passing, emitted, place: Place):
        """The next frame, under numbers that the misses of the last one refine."""
        for _ in range(REFINEMENTS):
            numbers = numbers + self._probed(numbers, passing, emitted, place)[:, : len(SHIFTS)]
        winds = blown(numbers)
        # From the last frame and, for the miss, from the one before.
        both, winds = torch.stack([place.last, place.before]), torch.stack([winds, turned(winds, place.wind_before)], 1)
        once, again = self._solved(both, winds, numbers, passing, emitted, place)
        return (once + self.keep * (place.last - again) * place.air).clamp(min=0).log1p()

    def _solved(self, field, winds, numbers, passing, emitted, place: Place):
        """Solve the equation; winds (2, ..., batch): factors of the winds along and across."""
        along, across = cells(winds)
        flows = {axis: along * flow[0] + across * flow[1] for axis, flow in place.flows.items()}
        most = torch.stack([flow.abs().amax((X, Y, Z), keepdim=True) for flow in flows.values()]).amax(0)
        slower = 1 / (most / (MOST * self.substeps)).clamp(min=1)
        flows = {axis: flow * slower for axis, flow in flows.items()}
        horizontal, vertical = (
            cells(limited(numbers[..., k], LARGEST) + numbers[..., 3] + place.neutral[k].log()) for k in (0, 1)
        )
        horizontal = horizontal.exp().clamp(max=STABLE * self.substeps)
        spread = horizontal, (vertical + passing).exp()
        future = solve(field, flows, emitted, *spread, place.air, place.opened, self.substeps)
        return future.clamp(min=0) * place.air

    def load(self, arrays: dict) -> None:
        """Take the weights of a Keras model: {path: array}."""
        layers = self.unet.named_layers() | {"level_0": self.level[0], "level": self.level[2]}
        layers |= {f"passing_{k}": layer for k, layer in enumerate(self.passing[:-1])} | {"passing": self.passing[-1]}
        layers |= {"closure_0": self.hidden[0], "closure_1": self.hidden[2]}
        layers |= {name: getattr(self, name) for name in ("closure_cells", "closure", "correction_0", "correction")}
        with torch.no_grad():
            for name, layer in layers.items():
                kernel = torch.tensor(arrays[f"{name}/kernel"])  # (..., in, out)
                kernel = kernel.permute(-1, -2, *range(kernel.ndim - 2))
                layer.weight.copy_(kernel.reshape(layer.weight.shape))
                layer.bias.copy_(torch.tensor(arrays[f"{name}/bias"]))
            norm = self.unet.frame_norm
            own = {"gamma": norm.weight, "beta": norm.bias}
            own |= {"moving_mean": norm.running_mean, "moving_variance": norm.running_var}
            for name, tensor in own.items():
                tensor.copy_(torch.tensor(arrays[f"frame_norm/{name}"]))
        self.unet.memory.load(*(arrays[f"memory_0/conv_lstm_cell/{n}"] for n in ("kernel", "recurrent_kernel", "bias")))


def limited(log, largest: float):
    return largest * torch.tanh(log / largest)


def cells(values):
    return values[..., None, None, None]


def blown(numbers):
    """Factors of the winds along and across, (2, ..., batch)."""
    turn, stretch = numbers[..., 2], numbers[..., 3].exp()
    return torch.stack([stretch * turn.cos(), stretch * turn.sin()])


def turned(winds, wind_before):
    (along, across), (cos, sin) = winds, wind_before.unbind(1)
    return torch.stack([along * cos - across * sin, along * sin + across * cos])


def net(recipe, model) -> TorchPlume:
    return TorchPlume(model)


def given(inputs) -> tuple:
    flows = (inputs[name].movedim(-1, 0).contiguous() for name in ("flow_x", "flow_y", "flow_z"))
    static, wind = inputs["static"].permute(0, 4, 1, 2, 3).contiguous(), inputs["wind"].transpose(2, 3).contiguous()
    return inputs["past"], static, wind, *flows, inputs["wind_before"]


def loss(net, given, targets, recipe, weights):
    """log, mass and peak of what is carried."""
    truth, air = targets["future"], 1 - given[1][:, 0]
    _, carried = net(*given)
    return sum(weights[name] * error(truth, carried, air).mean() for name, error in ERRORS.items())


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
