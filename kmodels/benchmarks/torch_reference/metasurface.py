"""The diffraction net in plain PyTorch, channels first as PyTorch has it: the second opinion on ours.

It has the default's choices (`memory_norm`, `scale_shift`, `per_detector`, 65 tokens, split-step propagation) and
takes sizes from a recipe.
"""

import math

import numpy as np
import torch
from numpy.polynomial.chebyshev import chebvander
from torch import nn
from torch.nn import functional

from kmodels.metasurface.simulator.materials import refractive_index


def periodic(before: int, n: int, width: int, stride: int, bias=False) -> nn.Conv2d:
    mode = "circular" if width > 1 else "zeros"
    return nn.Conv2d(before, n, width, stride, width // 2, bias=bias, padding_mode=mode)


def activated(n: int) -> nn.Sequential:
    groups = next(g for g in range(max(n // 8, 1), 0, -1) if n % g == 0)
    return nn.Sequential(nn.GroupNorm(groups, n, eps=1e-3), nn.SiLU())


def layer_norm(n: int) -> nn.LayerNorm:
    return nn.LayerNorm(n, eps=1e-3)


class Residual(nn.Module):
    def __init__(self, before: int, n: int, stride: int):
        super().__init__()
        self.wide, self.norm, self.point = periodic(before, n, 3, stride), activated(n), periodic(n, n, 1, 1, True)
        self.shortcut = periodic(before, n, 1, stride) if stride > 1 or before != n else nn.Identity()

    def forward(self, x):
        return self.shortcut(x) + self.point(self.norm(self.wide(x)))


class FourierFilter(nn.Module):
    def __init__(self, n: int, side: int):
        super().__init__()
        self.filter = nn.Parameter(torch.ones(n, side, side // 2 + 1, dtype=torch.complex64))

    def forward(self, x):
        return torch.fft.irfft2(torch.fft.rfft2(x) * self.filter, s=x.shape[-2:])


class Block(nn.Module):
    """Cross-attention on the tokens, a convolution along wavelength, a feed-forward net."""

    def __init__(self, width: int, heads: int, kernel: int, wide: int):
        super().__init__()
        self.heads = heads
        self.memory, self.ask, self.before, self.last = (layer_norm(width) for _ in range(4))
        self.query, self.key, self.value, self.out = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.along = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.pointwise = nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, wide * width), nn.Linear(wide * width, width)

    def forward(self, x, tokens):
        asked, memory = self.ask(x), self.memory(tokens)
        q, k, v = self.split(self.query(asked)), self.split(self.key(memory)), self.split(self.value(memory))
        found = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + self.out(found)
        along = self.along(self.before(x).transpose(1, 2)).transpose(1, 2)
        x = x + self.pointwise(functional.silu(along))
        return x + self.narrow(functional.gelu(self.wide(self.last(x))))

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class SplitStepPropagation(nn.Module):
    """Slices of wave optics at a few wavelengths, with learned phases, and from there to the pixels at all of them."""

    def __init__(self, data, slices: int, nodes: int):
        super().__init__()
        self.data, self.slices, n = data, slices, data.grid
        self.order_phases = nn.Parameter(torch.zeros(slices, nodes, n, n))
        self.cell_phases = nn.Parameter(torch.zeros(slices + 1, nodes, 3))
        k0 = 2 * np.pi / data.wavelengths()
        middle, reach = (k0.max() + k0.min()) / 2, (k0.max() - k0.min()) / 2
        places = np.cos(np.pi * (np.arange(nodes) + 0.5) / nodes)
        to_all = chebvander((k0 - middle) / reach, nodes - 1) @ np.linalg.inv(chebvander(places, nodes - 1))
        self.keep("to_all", to_all)
        k = middle + reach * places
        solid, gap, cover, spacer = (
            refractive_index(name, 2 * np.pi / k)[:, None, None]
            for name in ("silicon_nitride", data.gap, data.cover, data.spacer)
        )
        k, reference = k[:, None, None], np.sqrt((solid**2 + gap**2) / 2)
        across = 2 * np.pi * np.fft.fftfreq(n, data.period / n)
        across = across[:, None] ** 2 + across**2
        k_z = np.sqrt(np.maximum((reference * k) ** 2 - across, 0))
        self.keep("diffraction", -across / (reference * k + k_z) * data.height / slices)
        for name, values in dict(solid=solid, gap=gap, cover=cover, spacer=spacer, k=k, reference=reference).items():
            self.keep(name, values)
        at = dict(zip(("solid", "gap", "spacer"), ("silicon_nitride", data.gap, data.spacer), strict=True))
        squares = {name: (refractive_index(m, data.wavelengths()) * k0)[:, None, None] ** 2 for name, m in at.items()}
        above = np.sqrt(np.maximum((squares["solid"] + squares["gap"]) / 2 - across, 0))
        below = np.sqrt(np.maximum(squares["spacer"] - across, 0))
        slope = 2 * np.sqrt(above * below) / np.maximum(above + below, 1e-30)
        self.register_buffer("onwards", torch.tensor(slope * np.exp(1j * below * data.distance)).to(torch.complex64))
        x, odd = (np.arange(n) + 0.5) / n, np.arange(1, n // 2, 2)
        wave = (2 / (np.pi * odd) * np.sin(2 * np.pi * np.outer(x, odd))).sum(1)
        self.keep("halves", np.stack([0.5 + wave, 0.5 - wave]) / n)

    def keep(self, name, values):
        self.register_buffer(name, torch.tensor(np.asarray(values, "float32")))

    def screen(self, phase, k, share):
        learned, centred = self.cell_phases[k][..., None, None], share - 0.5
        return torch.exp(1j * (phase + learned[:, 0] + centred * learned[:, 1] + centred**2 * learned[:, 2]))

    def forward(self, pattern):
        n = self.data.grid
        width = pattern.shape[1] // n
        share = pattern.unflatten(2, (n, width)).unflatten(1, (n, width)).mean((2, 4))[:, None]
        index = (share * (self.solid**2 - self.gap**2) + self.gap**2).sqrt()
        phase = self.k * (index - self.reference) * self.data.height / self.slices
        field = self.screen(phase / 2, 0, share)
        for k in range(self.slices):
            turn = torch.exp(1j * (self.diffraction + self.order_phases[k]))
            field = torch.fft.ifft2(torch.fft.fft2(field) * turn)
            field = field * self.screen(phase if k < self.slices - 1 else phase / 2, k + 1, share)
        r1, r2 = (self.cover - index) / (self.cover + index), (index - self.spacer) / (index + self.spacer)
        t = 4 * index * (self.cover * self.spacer).sqrt() / ((self.cover + index) * (index + self.spacer))
        behind = t / (1 + r1 * r2 * torch.exp(2j * self.k * index * self.data.height)) * field
        through = behind.abs().square().mean((2, 3)) @ self.to_all.T
        spectrum = torch.einsum("wk,bkyx->bwyx", self.to_all.to(torch.complex64), torch.fft.fft2(behind))
        light = torch.fft.ifft2(spectrum * self.onwards).abs().square()
        pixels = (self.halves @ light @ self.halves.T).flatten(2)
        return pixels / pixels.sum(-1, keepdim=True) * through[..., None]


class TorchDiffractionNet(nn.Module):
    """Input pattern (batch, y, x) of 0 and 1; output spectra (batch, 2, 2, w) on the recipe's wavelengths."""

    def __init__(self, data, net):
        super().__init__()
        width = net.d_model
        stride = net.stem_stride
        stem = nn.Conv2d(1, net.stem, 8, 8, bias=False) if stride == 8 else periodic(1, net.stem, 5, stride)
        self.stem, self.stem_norm = stem, activated(net.stem)
        self.stages, before = nn.ModuleList(), net.stem
        for k, n in enumerate(net.channels):
            first = Residual(before, n, 2 if 2 ** (k + 1) >= stride else 1)
            self.stages.append(nn.Sequential(first, *(Residual(n, n, 1) for _ in range(net.blocks - 1))))
            before = n
        self.mixing, self.mixed = FourierFilter(net.channels[1], data.pixels // 8), activated(net.channels[1])
        self.third, self.last = activated(net.channels[2]), activated(net.channels[3])
        self.local = nn.Linear(net.channels[2], width, bias=False)
        self.whole = nn.Linear(net.channels[3], width, bias=False)
        self.positions = nn.Parameter(0.05 * torch.randn((data.pixels // 16) ** 2 + 1, width))
        low, high = data.wavelength
        frequencies = np.geomspace(0.5, max((data.n_wavelengths - 1) / 8, 1.0), width // 2)
        phase = 2 * math.pi * np.multiply.outer((data.wavelengths() - low) / (high - low), frequencies)
        sines = np.concatenate([np.sin(phase), np.cos(phase)], -1).astype("float32")
        self.register_buffer("sines", torch.tensor(sines))
        self.queries, self.film = nn.Linear(width, width), nn.Linear(net.channels[3], 2 * width)
        kinds = (width, net.heads, net.wavelength_kernel, net.feed_forward)
        self.blocks, self.decoded = nn.ModuleList(Block(*kinds) for _ in range(net.decoder_blocks)), layer_norm(width)
        self.heads = nn.Linear(width, 4 * width)
        self.kernel, self.bias = nn.Parameter(0.02 * torch.randn(4, width)), nn.Parameter(torch.zeros(4))
        self.spectrum = nn.Parameter(torch.zeros(data.n_wavelengths, 4))
        self.propagation = SplitStepPropagation(data, net.propagation_slices, net.propagation_nodes)

    def forward(self, pattern):
        x = self.stem_norm(self.stem(pattern[:, None]))
        x = self.stages[1](self.stages[0](x))
        x = self.mixed(x + self.mixing(x))
        third = self.stages[2](x)
        whole = self.last(self.stages[3](third)).mean((2, 3))
        local = self.local(self.third(third).flatten(2).transpose(1, 2))
        tokens = torch.cat([local, self.whole(whole)[:, None]], 1) + self.positions
        scale, shift = self.film(whole)[:, None].chunk(2, -1)
        x = (1 + scale) * functional.silu(self.queries(self.sines)) + shift
        for block in self.blocks:
            x = block(x, tokens)
        hidden = functional.silu(self.heads(self.decoded(x))).unflatten(-1, (4, -1))
        known = torch.logit(self.propagation(pattern), 1e-4)
        shares = torch.sigmoid((hidden * self.kernel).sum(-1) + self.bias + self.spectrum + known)
        return shares.transpose(1, 2).unflatten(1, (2, 2))

    def load(self, arrays: dict) -> None:
        """Take the weights of a Keras model: {path: array}."""
        take = _Taker(arrays)
        take.conv(self.stem, "stem")
        take.norm(self.stem_norm[0], "stem")
        for k, stage in enumerate(self.stages):
            for j, block in enumerate(stage):
                take.conv(block.wide, f"stage_{k}_{j}_3x3")
                take.norm(block.norm[0], f"stage_{k}_{j}")
                take.conv(block.point, f"stage_{k}_{j}_1x1")
                if isinstance(block.shortcut, nn.Conv2d):
                    take.conv(block.shortcut, f"stage_{k}_{j}_shortcut")
        real, imag = (take.array(f"fourier_mixing/{part}") for part in ("real", "imag"))
        self.mixing.filter.data = torch.complex(real, imag)
        for norm, name in ((self.mixed, "fourier"), (self.third, "third"), (self.last, "last")):
            take.norm(norm[0], name)
        take.dense(self.local, "local_tokens")
        take.dense(self.whole, "global_token")
        self.positions.data = take.array("positions/vectors")
        take.dense(self.queries, "queries")
        take.dense(self.film, "film/modulation")
        for k, block in enumerate(self.blocks):
            take.block(block, k)
        take.norm(self.decoded, "decoded")
        take.dense(self.heads, "heads")
        self.kernel.data, self.bias.data = take.array("shares/kernel"), take.array("shares/bias")
        self.spectrum.data = take.array("spectrum/spectrum")
        for name in ("order_phases", "cell_phases"):
            getattr(self.propagation, name).data = take.array(f"waves/{name}")


class _Taker:
    """Copies arrays of a Keras model into layers."""

    def __init__(self, arrays):
        self.arrays = arrays

    def array(self, name):
        return torch.tensor(self.arrays[name])

    def conv(self, layer, name):
        layer.weight.data = self.array(f"{name}/kernel").permute(3, 2, 0, 1).contiguous()
        if layer.bias is not None:
            layer.bias.data = self.array(f"{name}/bias")

    def norm(self, layer, name):
        layer.weight.data, layer.bias.data = self.array(f"{name}_norm/gamma"), self.array(f"{name}_norm/beta")

    def dense(self, layer, name):
        layer.weight.data = self.array(f"{name}/kernel").T.contiguous()
        if layer.bias is not None:
            layer.bias.data = self.array(f"{name}/bias")

    def block(self, block, k):
        for part in ("query", "key", "value"):
            getattr(block, part).weight.data = self.array(f"attention_{k}/{part}/kernel").flatten(1).T.contiguous()
        block.out.weight.data = self.array(f"attention_{k}/attention_output/kernel").flatten(0, 1).T.contiguous()
        norms = {"memory": block.memory, "ask": block.ask, "along": block.before, "wide": block.last}
        for name, norm in norms.items():
            self.norm(norm, f"{name}_{k}")
        block.along.weight.data = self.array(f"along_{k}/kernel").permute(1, 2, 0).contiguous()
        block.along.bias.data = self.array(f"along_{k}/bias")
        for name in ("pointwise", "wide", "narrow"):
            self.dense(getattr(block, name), f"{name}_{k}")


def loss_of(truth, predicted, weights):
    """weights: of mse, rel, grad, curvature."""
    error = predicted - truth
    relative = (error / (truth.abs() + 1e-4)).clamp(-10.0, 10.0)
    slope = error.diff(dim=-1)
    terms = error.square(), relative.square(), slope.square(), slope.diff(dim=-1).abs()
    return sum(w * term.mean() for w, term in zip(weights, terms, strict=True))


def augmented(pattern, spectra):
    """Each under one of the 32 symmetries, drawn anew: the pattern (batch, y, x) and the spectra that belong to it."""
    for axis in (1, 2):
        for move in (lambda v, a: v.roll(v.shape[a] // 2, a), lambda v, a: v.flip(a)):
            on = torch.rand(len(pattern)) < 0.5
            pattern = torch.where(on[:, None, None], move(pattern, axis), pattern)
            spectra = torch.where(on[:, None, None, None], move(spectra, axis), spectra)
    on = torch.rand(len(pattern)) < 0.5
    pattern = torch.where(on[:, None, None], pattern.transpose(1, 2), pattern)
    return pattern, torch.where(on[:, None, None, None], spectra.transpose(1, 2), spectra)


def net(recipe, model) -> TorchDiffractionNet:
    return TorchDiffractionNet(recipe.data, recipe.model)


def given(inputs) -> tuple:
    return (inputs["pattern"][..., 0].contiguous(),)


def loss(net, given, targets, recipe, weights):
    train = recipe.train
    shown, truth = augmented(*given, targets["spectra"]) if train.augment else (*given, targets["spectra"])
    return loss_of(truth, net(shown), [weights[name] for name in ("mse", "rel", "grad", "curvature")])
