"""The U-Net of the plume network in plain PyTorch, channels first as PyTorch has it."""

import torch
from torch import nn
from torch.nn import functional

from kmodels.benchmarks.torch_reference.conv_lstm import TorchConvLSTM3D


def convolved(before: int, n: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv3d(before, n, 3, padding=1), nn.ReLU())


class UNet(nn.Module):
    """Features of every cell, (batch, filters, z, y, x): memory at the coarsest of the scales."""

    def __init__(self, n: int, scales: int):
        super().__init__()
        self.scales, half = scales, max(n // 2, 1)
        self.frame, self.frame_norm = nn.Conv3d(3, n, 3, padding=1), nn.BatchNorm3d(n, eps=1e-3, momentum=0.01)
        self.memory = TorchConvLSTM3D(n, n)
        self.maps = nn.ModuleList([convolved(3, half), convolved(half, n)])
        self.fusion, self.last = convolved(2 * n, n), convolved(n + half, n)
        self.ups = nn.ModuleList([convolved(2 * n, n) for _ in range(max(scales - 1, 1))])

    def forward(self, past, static, wind):
        batch, time, *volume = past.shape
        winds = wind[..., None, None].expand(-1, -1, -1, *volume)
        frames = torch.cat([past[:, :, None], winds], 2).flatten(0, 1)
        frames = torch.relu(self.frame_norm(self.frame(frames)))
        first = self.maps[0](static)
        maps, skips = self.maps[1](first), []
        for _ in range(self.scales - 1):
            skips.append(frames[time - 1 :: time])
            frames, maps = halved(frames), halved(maps)
        x = self.fusion(torch.cat([self.memory(frames.unflatten(0, (batch, time))), maps], 1))
        skips = skips or [frames[time - 1 :: time]]
        for up, skip in zip(reversed(self.ups), reversed(skips), strict=True):
            x = up(torch.cat([doubled(x, skip), skip], 1))
        return self.last(torch.cat([x, first], 1))

    def named_layers(self) -> dict:
        """By their names in Keras."""
        layers = {"frame": self.frame, "maps_0": self.maps[0][0], "maps_1": self.maps[1][0], "fusion": self.fusion[0]}
        layers |= {f"up_{k}" if k else "decoder_0": up[0] for k, up in enumerate(self.ups)}
        return layers | {"decoder_1": self.last[0]}


def halved(x):
    """Average 2 x 2 cells; on odd sides the last one alone."""
    sides = (0, x.shape[-1] % 2, 0, x.shape[-2] % 2, 0, 0)
    return functional.avg_pool3d(functional.pad(x, sides, mode="replicate") if any(sides) else x, (1, 2, 2))


def doubled(x, like):
    if x.shape[2:] == like.shape[2:]:
        return x
    return functional.interpolate(x, scale_factor=(1, 2, 2))[..., : like.shape[-2], : like.shape[-1]]
