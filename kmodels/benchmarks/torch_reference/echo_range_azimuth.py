"""The network that hears range and direction in plain PyTorch, channels first as PyTorch has it."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

SHARPNESS, NEAREST, FAR, LEAST_VARIANCE = 20.0, 0.1, 3.0, 0.01
INSIDE, ASIDE, COARSE, ROW_CHANNELS = 16, 2, 16, 16  # directions are halved


class Same(nn.Conv2d):
    """A convolution of stride 2 pads what Keras' "same" pads: at the end alone, where the kernel is odd."""

    def forward(self, x):
        pads = []
        for n, kernel, stride in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
            total = max((-(-n // stride) - 1) * stride + kernel - n, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(functional.pad(x, pads))


def norm(n: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(n, eps=1e-3, momentum=0.1)


class TorchRangeAzimuth(nn.Module):
    """RangeAzimuthNet with the correlation of the ears.

    Inputs: profile (batch, profiles, ranges, 1), correlation (batch, bands, ranges, directions); outputs depth, base,
    residual (batch, y, x) [m].
    """

    def __init__(self, data, model, ranges: int, profiles: int, hidden: int = 256):
        super().__init__()
        width, size = model.width, data.image_size
        self.size, self.max_depth = size, data.max_depth
        self.residual_range = model.residual_range
        self.profile_norm = norm(profiles)
        self.profile_conv = Same(profiles, 2 * width, (3, 1))
        self.map_profile = Same(2 * width, width, (3, 1), (2, 1), bias=False)
        self.map_places = nn.Parameter(torch.zeros(width, ranges // 2, INSIDE + 2 * ASIDE))
        self.map_correlation = Same(3, width, 3, 2, bias=False)
        self.map_norm = norm(width)
        before, blocks = width, []
        for times, strides in zip((2, 3, 4, 4), ((2, 1), (2, 1), (2, 1), (1, 1)), strict=True):
            n = times * width
            blocks.append(nn.Sequential(Same(before, n, 3, strides, bias=False), norm(n), nn.ReLU()))
            before = n
        self.blocks = nn.ModuleList(blocks)
        self.column = nn.Linear(ranges // 16 * before, hidden)
        self.room_column = nn.Linear(hidden, hidden // 8)
        self.room = nn.Linear((INSIDE + 2 * ASIDE) * (hidden // 8), hidden)
        self.base_level, self.base_room = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        self.base_floor_and_ceiling, self.base_walls = nn.Linear(hidden, 2), nn.Linear(hidden // 2, 1)
        half = hidden // 2
        self.base_columns = nn.ModuleList([nn.Conv1d(n, half, 5, padding=2) for n in (hidden, half)])
        self.residual_room = nn.Linear(hidden, hidden)
        self.residual_columns = nn.ModuleList([nn.Conv1d(hidden, hidden, 3, padding=1) for _ in range(2)])
        self.residual_norms = nn.ModuleList([nn.LayerNorm(hidden, eps=1e-3) for _ in range(2)])
        self.residual_rows = nn.Linear(hidden, COARSE * ROW_CHANNELS)
        self.block = size // COARSE
        n, befores = 3 * width, (ROW_CHANNELS + self.block**2, 3 * width)
        self.residual_blocks = nn.ModuleList(
            nn.Sequential(Same(b, n, 3, bias=False), norm(n), nn.ReLU()) for b in befores
        )
        self.residual_out = nn.Conv2d(n, self.block**2, 1)
        metres = torch.linspace(0, 1, ranges + 1, dtype=torch.float64)[1:] * ranges
        self.register_buffer("louder", (FAR * torch.log10(metres)).float()[:, None])
        place = np.clip((np.arange(size) + 0.5) * INSIDE / size - 0.5, 0, INSIDE - 1)
        between = np.maximum(1 - np.abs(place - np.arange(INSIDE)[:, None]), 0)
        self.register_buffer("between", torch.tensor(between, dtype=torch.float32))
        down = np.tan(np.radians(data.view[1] / 2)) * ((2 * np.arange(size) + 1) / size - 1)
        self.register_buffer("down", torch.tensor(down[:, None], dtype=torch.float32))
        self.register_buffer("level", torch.tensor([1 / 1.15, 1 / 2.2]))

    def forward(self, profile, correlation):
        centred = profile - profile.mean(2, keepdim=True)
        profile = centred / torch.sqrt(centred.square().mean((1, 2), keepdim=True) + LEAST_VARIANCE)
        x = functional.relu(self.profile_conv(self.profile_norm(profile + self.louder)))
        x = self.map_profile(x) + self.map_places + self.map_correlation(correlation)
        x = functional.relu(self.map_norm(x))
        for block in self.blocks:
            x = block(x)
        columns = x.permute(0, 3, 2, 1).flatten(2)
        columns = functional.relu(self.column(columns))
        room = functional.relu(self.room(self.room_column(columns).flatten(1)))
        base = 1 / self._inverse(columns, room).clamp(max=1 / NEAREST)
        residual = torch.tanh(self._residual(columns, room, base.log().detach()))
        residual = residual * (self.residual_range * self.max_depth)
        return torch.clamp(base + residual, 0, self.max_depth), base, residual

    def _inverse(self, columns, room):
        level = self.base_floor_and_ceiling(functional.relu(self.base_level(room)))
        level = torch.exp(level.clamp(-4, 4)) * self.level
        x = (columns + self.base_room(room)[:, None]).transpose(1, 2)
        for conv in self.base_columns:
            x = functional.relu(conv(x))
        x = self.base_walls(x[:, :, ASIDE : ASIDE + INSIDE].transpose(1, 2))[..., 0]
        walls = (torch.exp(x.clamp(-4, 4)) / 3.0) @ self.between
        floor, ceiling = level[:, :1, None] * self.down, level[:, 1:, None] * -self.down
        none = torch.zeros(self.size, self.size, device=walls.device)
        last = torch.full_like(walls[:, None] + none, 1 / self.max_depth)
        parts = torch.stack([walls[:, None] + none, floor + none, ceiling + none, last], dim=1)
        return torch.logsumexp(SHARPNESS * parts, dim=1) / SHARPNESS

    def _residual(self, columns, room, log_base):
        x = columns + self.residual_room(room)[:, None]
        for conv, normalise in zip(self.residual_columns, self.residual_norms, strict=True):
            y = functional.relu(conv(x.transpose(1, 2))).transpose(1, 2)
            x = normalise(x + y)
        x = self.residual_rows(x[:, ASIDE : ASIDE + INSIDE]).unflatten(2, (COARSE, ROW_CHANNELS))
        x = torch.cat([x.permute(0, 3, 2, 1), functional.pixel_unshuffle(log_base[:, None], self.block)], dim=1)
        for block in self.residual_blocks:
            x = block(x)
        return functional.pixel_shuffle(self.residual_out(x), self.block)[:, 0]

    def load(self, arrays: dict) -> None:
        """Take the weights of a Keras model: {path: array}."""
        self.map_places.data.copy_(torch.tensor(arrays["map_places/offset"]).permute(2, 0, 1))
        blocks = {f"map_{k}": block for k, block in enumerate(self.blocks)}
        blocks |= {f"residual_{k}": block for k, block in enumerate(self.residual_blocks)}
        layers = {name: getattr(self, name) for name in PLAIN}
        layers |= {f"base_column_{k}": conv for k, conv in enumerate(self.base_columns)}
        layers |= {f"residual_column_{k}": conv for k, conv in enumerate(self.residual_columns)}
        norms = {"profile_norm": self.profile_norm, "map_norm": self.map_norm}
        norms |= {f"residual_column_{k}_norm": each for k, each in enumerate(self.residual_norms)}
        for name, (conv, normalise, _) in blocks.items():
            layers[f"{name}_conv"], norms[f"{name}_norm"] = conv, normalise
        for name, layer in layers.items():
            kernel = torch.tensor(arrays[f"{name}/kernel"])
            axes = (3, 2, 0, 1) if kernel.dim() == 4 else range(kernel.dim())[::-1]
            layer.weight.data.copy_(kernel.permute(*axes))
            if layer.bias is not None:
                layer.bias.data.copy_(torch.tensor(arrays[f"{name}/bias"]))
        for name, each in norms.items():
            each.weight.data.copy_(torch.tensor(arrays[f"{name}/gamma"]))
            each.bias.data.copy_(torch.tensor(arrays[f"{name}/beta"]))
            if f"{name}/moving_mean" in arrays:
                each.running_mean.copy_(torch.tensor(arrays[f"{name}/moving_mean"]))
                each.running_var.copy_(torch.tensor(arrays[f"{name}/moving_variance"]))


PLAIN = (
    "profile_conv",
    "map_profile",
    "map_correlation",
    "column",
    "room_column",
    "room",
    "base_level",
    "base_room",
    "base_floor_and_ceiling",
    "base_walls",
    "residual_room",
    "residual_rows",
    "residual_out",
)


def channels_first(inputs: dict) -> tuple:
    """Profile and correlation as TorchRangeAzimuth takes them."""
    profile, correlation = inputs["profile"], inputs["correlation"]
    return profile.permute(0, 2, 1)[..., None].contiguous(), correlation.permute(0, 3, 1, 2).contiguous()
