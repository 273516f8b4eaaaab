"""The diffraction net in plain PyTorch, channels first as PyTorch has it: the second opinion on ours.

It has the default's choices (`memory_norm`, `scale_shift`, `per_detector`, 65 tokens) and takes sizes from a recipe.
`python tests/reference/torch_metasurface.py` measures a training step and a prediction of the default recipe, on the
backend that KERAS_BACKEND names, in turn with this one.
"""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional


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


class Mixing(nn.Module):
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
        self.mixing, self.mixed = Mixing(net.channels[1], data.pixels // 8), activated(net.channels[1])
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
        self.spectrum = nn.Parameter(torch.full((data.n_wavelengths, 4), -1.0986123))

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
        shares = torch.sigmoid((hidden * self.kernel).sum(-1) + self.bias + self.spectrum)
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


def training_step(recipe, pattern, spectra):
    """A function that takes one step with Adam on these examples and returns the loss."""
    net, train = TorchDiffractionNet(recipe.data, recipe.model), recipe.train
    optimizer = torch.optim.Adam(net.parameters(), lr=train.learning_rate, eps=1e-7)
    weights = train.w_mse, train.w_rel, train.w_grad, train.w_curvature
    pattern, spectra = torch.tensor(pattern), torch.tensor(spectra)

    def step():
        optimizer.zero_grad()
        shown, truth = augmented(pattern, spectra) if train.augment else (pattern, spectra)
        loss = loss_of(truth, net(shown), weights)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), train.clip_norm)
        optimizer.step()
        return float(loss)

    return step


def prediction(recipe, pattern):
    """A function that applies the net to patterns (batch, y, x)."""
    net, pattern = TorchDiffractionNet(recipe.data, recipe.model).eval(), torch.tensor(pattern)

    def predict():
        with torch.no_grad():
            return net(pattern).numpy()

    return predict


def main():
    """A training step, and a prediction of 64 structures, of kmodels against this one."""
    from kmodels.core import backend

    chosen = backend.select()  # before anything imports Keras
    from kmodels.core import inference, measure
    from kmodels.metasurface.model import build
    from kmodels.metasurface.recipe import MetasurfaceRecipe

    recipe = MetasurfaceRecipe()
    model, rng = build(recipe, 100), np.random.default_rng(0)

    def examples(n):
        pattern = rng.integers(0, 2, (n, recipe.data.pixels, recipe.data.pixels)).astype("float32")
        wavelength = np.tile(recipe.data.wavelengths().astype("float32"), (n, 1))
        spectra = rng.uniform(0, 0.5, (n, 2, 2, recipe.data.n_wavelengths)).astype("float32")
        return {"pattern": pattern[..., None], "wavelength": wavelength}, pattern, spectra

    inputs, pattern, spectra = examples(recipe.train.batch_size)
    inputs, targets = inference.as_tensors((inputs, {"spectra": spectra}))
    ours = lambda: float(model.train_on_batch(inputs, targets)[0])  # noqa: E731
    print(chosen, "training step", measure.in_turn(ours, training_step(recipe, pattern, spectra)))
    inputs, pattern, _ = examples(64)
    ours = lambda: model.predict_on_batch(inputs)  # noqa: E731
    print(chosen, "prediction of 64", measure.in_turn(ours, prediction(recipe, pattern)))


if __name__ == "__main__":
    main()
