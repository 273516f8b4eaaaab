"""The precip network of the default recipe in plain PyTorch, channels first as PyTorch has it: the second opinion."""

import itertools
import math

import torch
from torch import nn
from torch.nn import functional

WIDTHS = (8, 4, 2, 1)


class Convolution(nn.Conv2d):
    """3 x 3; with a stride of 2, zeros are added as Keras' "same" does: what is odd goes behind."""

    def __init__(self, before: int, n: int, stride: int = 1):
        super().__init__(before, n, 3, stride=stride, padding=1 if stride == 1 else 0)

    def forward(self, x):
        if self.stride[0] == 2:
            (top, below), (left, right) = ((1, 1) if n % 2 else (0, 1) for n in x.shape[2:])
            x = functional.pad(x, (left, right, top, below))
        return super().forward(x)


def convolved(before: int, n: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(Convolution(before, n, stride), nn.ReLU())


def flat(x):
    return x.permute(0, 2, 3, 1).flatten(1)


class Law(nn.Module):
    """Mean and log variance."""

    def __init__(self, before: int, hidden: int, n: int):
        super().__init__()
        self.hidden, self.mean, self.log_variance = (
            nn.Linear(before, hidden),
            nn.Linear(hidden, n),
            nn.Linear(hidden, n),
        )

    def forward(self, x):
        x = torch.relu(self.hidden(x))
        return self.mean(x), self.log_variance(x).clamp(-10, 10)


class TorchPrecip(nn.Module):
    """Injection "all", learned prior, noise in every block, no norm. climate: {name: array} of the training days.

    Inputs: state (batch, channels, Y, X), rain (batch, y, x) [mm/day], static (batch, 3, y, x), noise: z
    (batch, fields, d_z), then one of each block (batch, fields, channels, y, x). Outputs: posterior and prior
    (batch, crps_members, y, x) [mm/day], and the two laws.
    """

    def __init__(self, recipe, channels: int, climate: dict):
        super().__init__()
        m, grid = recipe.model, recipe.data.grid
        self.train_section, base = recipe.train, m.base_filters
        self.rain_unit = m.rain_unit
        halved = lambda shape, k: tuple(-(-n // 2**k) for n in shape)  # noqa: E731
        self.start, *self.sizes = (halved(grid.fine, k) for k in (3, 2, 1, 0))
        self.pool = tuple(-(-n // m.rain_pool) for n in self.start)
        assert max(self.pool) <= 2, "Keras pads on both sides, ceil_mode behind alone"
        for name, value in climate.items():
            self.register_buffer(name, torch.tensor(value))
        coarse = halved(grid.coarse_shape, 1)
        self.state = nn.ModuleList(
            [convolved(channels, m.state_filters[0]), convolved(m.state_filters[0], m.state_filters[1], 2)]
        )
        self.state_hidden = nn.Linear(m.state_filters[1] * coarse[0] * coarse[1], m.state_hidden)
        self.summary = nn.Linear(m.state_hidden, m.d_x)
        self.projection = nn.Conv2d(m.state_filters[0], m.injected_filters, 1)
        widths = [4, *(w * base for w in reversed(WIDTHS))]
        self.rain = nn.ModuleList(convolved(a, b, 2 if k else 1) for k, (a, b) in enumerate(itertools.pairwise(widths)))
        seen = [widths[3 - k] for k in range(m.latent_blocks)]
        self.map_laws = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(n, m.noise, 1) for _ in ("mean", "log_variance")) for n in seen
        )
        cells = 8 * base * self.start[0] * self.start[1]
        pooled = 8 * base * math.prod(-(-n // by) for n, by in zip(self.start, self.pool, strict=True))
        self.rain_hidden, self.rain_summary = nn.Linear(pooled, m.rain_hidden), nn.Linear(m.rain_hidden, m.d_y)
        self.dropout = nn.Dropout(m.dropout)
        self.posterior = Law(m.d_y + m.d_x, m.latent_hidden, m.d_z)
        self.prior = Law(m.d_x, m.latent_hidden, m.d_z)
        self.decoder = nn.Linear(m.d_z + m.d_x, m.decoder_hidden)
        self.begin = nn.Linear(m.decoder_hidden, cells)
        self.blocks = nn.ModuleList(
            convolved(WIDTHS[k] * base + 3 + m.injected_filters + m.noise, WIDTHS[k + 1] * base) for k in range(3)
        )
        self.field = nn.Conv2d(base, 1, 3, padding=1)

    def forward(self, state, rain, static, noise):
        coarse = torch.expm1(state[:, 0])
        state = (state - self.state_mean[:, None, None]) / self.state_sd[:, None, None]
        scaled = (torch.log1p(rain) - self.rain_mean) / self.rain_sd
        first = self.state[0](state)
        summary = self.summary(self.dropout(torch.relu(self.state_hidden(flat(self.state[1](first))))))
        x, maps = torch.cat([scaled[:, None], static], dim=1), []
        for block in self.rain:
            x = block(x)
            maps.insert(0, x)
        x = functional.avg_pool2d(x, self.pool, ceil_mode=True)
        x = self.rain_summary(self.dropout(torch.relu(self.rain_hidden(flat(x)))))
        laws = {"posterior": self.posterior(torch.cat([x, summary], dim=1)), "prior": self.prior(summary)}
        members = self.train_section.crps_members
        each = [laws["posterior"]] * members + [laws["prior"]] * members
        z = [mean + torch.exp(0.5 * log) * noise[0][:, k] for k, (mean, log) in enumerate(each)]
        noise = list(noise)
        for k, (mean, log) in enumerate(self.map_laws):
            laws[k] = mean, log = mean(maps[k + 1]), log(maps[k + 1]).clamp(-10, 10)
            own = mean[:, None] + torch.exp(0.5 * log)[:, None] * noise[k + 1][:, :members]
            noise[k + 1] = torch.cat([own, noise[k + 1][:, members:]], dim=1)
        sampled = self._decoded(torch.stack(z, dim=1), summary, self.projection(first), noise[1:], static)
        unit = self.rain_unit
        sampled = unit * _with_block_means(sampled, coarse / unit)
        return {"posterior": sampled[:, :members], "prior": sampled[:, members:]}, laws

    def _decoded(self, z, summary, seen, noise, static):
        n, fields = z.shape[:2]
        x = torch.cat([z, summary[:, None].expand(-1, fields, -1)], dim=2).flatten(0, 1)
        x = torch.relu(self.begin(torch.relu(self.decoder(x))))
        x = x.reshape(n * fields, *self.start, -1).permute(0, 3, 1, 2)
        seen = seen[:, None].expand(-1, fields, -1, -1, -1).flatten(0, 1)
        static = [static]
        while len(static) < len(self.sizes):
            static.insert(0, functional.avg_pool2d(static[0], 2, ceil_mode=True))
        for k, (block, size) in enumerate(zip(self.blocks, self.sizes, strict=True)):
            where = static[k][:, None].expand(-1, fields, -1, -1, -1).flatten(0, 1)
            parts = [_resized(x, size), where, _resized(seen, size), noise[k].flatten(0, 1)]
            x = block(torch.cat(parts, dim=1))
        scaled = self.field(x)[:, 0].reshape(n, fields, *self.sizes[-1])
        return scaled * self.rain_sd + self.rain_mean

    def loss(self, outputs, laws, truth, observed, land, weights: dict):
        """Return the sum of all terms of the default recipe. weights: by term."""
        train, field = self.train_section, outputs["posterior"][:, 0]
        cells = observed.sum((1, 2))
        weight = (truth / train.scale).clamp(train.w_min, train.w_max)
        weight = weight * torch.where(truth >= self.tail, train.tail_boost, 1.0)
        error = _over(weight * (field - truth).abs(), observed) / self.mean_weight
        (mean, log), (prior_mean, prior_log) = laws["posterior"], laws["prior"]
        kl = 0.5 * ((log - prior_log).exp() + (mean - prior_mean) ** 2 * (-prior_log).exp() - 1 + prior_log - log)
        kl = kl.sum(1)
        for mean, log in (laws[k] for k in range(len(self.map_laws))):
            kl = kl + 0.5 * (log.exp() + mean**2 - 1 - log).sum((1, 2, 3))
        changes = zip(_differences(field - truth), _known(observed), strict=True)
        terms = {
            "reconstruction": error,
            "mass": ((field - truth) * land * observed).sum((1, 2)).abs(),
            "gradient": sum(_over(change.abs(), both) for change, both in changes),
        }
        for law, prefix in (("prior", ""), ("posterior", "posterior_")):
            logs = (torch.log1p(rain / 0.1) for rain in (outputs[law], truth))
            terms[f"{prefix}crps"] = self._score(outputs[law], truth, observed)
            terms[f"{prefix}log_crps"] = self._score(*logs, observed)
        scored = ("reconstruction", "posterior_crps", "posterior_log_crps")
        terms["kl"] = kl * sum(weights[name] * terms[name] for name in scored).detach() / cells
        return sum(weights[name] * term.mean() for name, term in terms.items())

    def _score(self, members, truth, observed):
        both = torch.cat([members, truth[:, None]], dim=1) * observed[:, None]
        total, scales = 0.0, self.train_section.crps_scales
        for size in scales:
            means, known = (functional.avg_pool2d(x, size) for x in (both, observed[:, None]))
            total = total + _over(_fair(means), (known[:, 0] > 0).float())
        for change, pair in zip(_differences(both), _known(observed), strict=True):
            total = total + _over(_fair(change), pair)
        return total / (len(scales) + 2)

    def load(self, arrays: dict) -> None:
        """Take the weights of a Keras model: {layer/weight: array}."""
        blocks = {f"state_{k}": block for k, block in enumerate(self.state)}
        blocks |= {f"rain_{k}": block for k, block in enumerate(self.rain)}
        blocks |= {f"block_{k}": block for k, block in enumerate(self.blocks)}
        for name, (conv, _) in blocks.items():
            _take(conv, arrays, name)
        plain = {"start": self.begin}
        plain |= {n: getattr(self, n) for n in ("state_hidden", "summary", "rain_hidden", "rain_summary", "decoder")}
        for k, law in enumerate(self.map_laws):
            plain |= dict(zip((f"block_{k}_mean", f"block_{k}_log_variance"), law, strict=True))
        for name, law in (("posterior", self.posterior), ("prior", self.prior)):
            plain |= {f"{name}_{part}": getattr(law, part) for part in ("hidden", "mean", "log_variance")}
        for name, layer in (plain | {"projection": self.projection, "field": self.field}).items():
            _take(layer, arrays, name)


def _take(layer, arrays, name):
    kernel = torch.tensor(arrays[f"{name}/kernel"])
    layer.weight.data.copy_(kernel.T if kernel.ndim == 2 else kernel.permute(3, 2, 0, 1))
    if layer.bias is not None:
        layer.bias.data.copy_(torch.tensor(arrays[f"{name}/bias"]))


def _resized(x, size):
    return x if x.shape[2:] == size else functional.interpolate(x, size=size, mode="bilinear")


def _with_block_means(latent, coarse):
    """The rain of each block of a latent (batch, fields, y, x) has the mean that coarse (batch, Y, X) says."""
    rows, columns = coarse.shape[1:]
    ny, nx = latent.shape[2] // rows, latent.shape[3] // columns
    cells = latent.unflatten(3, (columns, nx)).unflatten(2, (rows, ny)).transpose(3, 4).flatten(4)
    cells = (cells - cells.detach().amax(-1, keepdim=True)).exp()
    total, count = ny * nx * coarse[:, None, :, :, None], torch.arange(1.0, ny * nx + 1)
    falling = cells.detach().sort(dim=-1, descending=True).values
    wet = cells >= (falling.cumsum(-1) / (total + count)).amax(-1, keepdim=True)
    threshold = (cells * wet).sum(-1, keepdim=True) / (total + wet.sum(-1, keepdim=True))
    rain = (cells / threshold - 1).relu().unflatten(4, (ny, nx)).transpose(3, 4)
    return rain.flatten(4).flatten(2, 3)


def _differences(x):
    return x[..., 1:, :] - x[..., :-1, :], x[..., 1:] - x[..., :-1]


def _known(observed):
    return observed[:, 1:] * observed[:, :-1], observed[..., 1:] * observed[..., :-1]


def _over(values, mask):
    return (values * mask).sum((1, 2)) / mask.sum((1, 2)).clamp(min=1)


def _fair(both):
    members, truth = both[:, :-1], both[:, -1:]
    count = members.shape[1]
    pairs = sum((members[:, a] - members[:, b]).abs() for a, b in itertools.combinations(range(count), 2))
    return (members - truth).abs().mean(1) - pairs / (count * (count - 1))


def channels_first(inputs: dict) -> tuple:
    """(state, rain, static, noise) as the network takes them, of what `DayExamples` gives."""
    noise = [inputs["noise_z"], *(inputs[f"noise_{k}"].permute(0, 1, 4, 2, 3).contiguous() for k in range(3))]
    state, static = (inputs[name].permute(0, 3, 1, 2).contiguous() for name in ("state", "static"))
    return state, inputs["rain"], static, noise


def net(recipe, model) -> TorchPrecip:
    return TorchPrecip(recipe, model.input["state"].shape[-1], model.training_statistics().arrays())


def given(inputs) -> tuple:
    return channels_first(inputs)


def loss(net, given, targets, recipe, weights):
    """With new noise, as in training."""
    *known, static, noise = given
    outputs, laws = net(*known, static, [torch.randn_like(n) for n in noise])
    return net.loss(outputs, laws, targets["rain"], targets["observed"], static[:, 0], weights)
