"""The classifier of command sequences in plain PyTorch: the second opinion on the default recipe's.

Sequences without padding: every operation counts.
"""

import torch
from torch import nn
from torch.nn import functional

from kmodels.nand.data import encode
from kmodels.nand.data.records import CODES


class Embedding(nn.Module):
    """The sum of one embedding for each column."""

    def __init__(self, sizes, units: int):
        super().__init__()
        self.table = nn.Embedding(sum(sizes), units)
        self.register_buffer("first", torch.tensor([0, *sizes[:-1]]).cumsum(0))

    def forward(self, columns):
        return self.table(columns + self.first).sum(-2)


class TorchNand(nn.Module):
    """NandClassifier that reads block by block and takes the maximum over operations.

    Input (batch, time, columns); outputs invalid (batch,) and operation (batch, time, codes), logits.
    """

    def __init__(self, recipe):
        super().__init__()
        m, columns = recipe.model, encode.columns(recipe)
        assert m.sequence_order == "block" and m.pooling == "attention_max" and m.ensemble_size == 1
        names = list(columns)
        self.slot, self.page = names.index("slot"), names.index("page")
        self.farthest = m.max_difference if m.encoding == "steps" else 0
        self.read = [k for k in range(len(names)) if k != self.slot and not (self.farthest and k == self.page)]
        sizes = [columns[names[k]] for k in self.read] + ([2 * self.farthest + 2] if self.farthest else [])
        self.embedded = Embedding(sizes, m.embedding)
        self.mixed, own = nn.Linear(m.embedding, 4 * m.embedding), 4 * m.embedding
        width = m.hidden * (1 + m.bidirectional)
        self.grus = nn.ModuleList(
            nn.GRU(n, m.hidden, batch_first=True, bidirectional=m.bidirectional)
            for n in [own, *(m.num_layers - 1) * [width]]
        )
        self.dropout = nn.Dropout(m.dropout)
        self.hidden, self.score = nn.Linear(width, m.hidden), nn.Linear(m.hidden, 1, bias=False)
        self.operation = nn.Linear(width + own, len(CODES))
        self.verdict = nn.Linear(width + len(CODES), 1)

    def forward(self, tokens):
        order = tokens[..., self.slot].argsort(dim=1, stable=True)[..., None]
        back = order.argsort(dim=1)
        read = tokens[..., self.read]
        if self.farthest:
            read = torch.cat([read, self.steps(tokens, order).gather(1, back)], -1)
        x = own = functional.gelu(self.mixed(self.embedded(read)))
        for gru in self.grus:
            y, _ = gru(x.gather(1, order.expand(-1, -1, x.shape[-1])))
            x = self.dropout(y.gather(1, back.expand(-1, -1, y.shape[-1])))
        weight = self.score(torch.tanh(self.hidden(x))).softmax(1)
        operation = self.operation(torch.cat([x, own], -1))
        evidence = torch.cat([(weight * x).sum(1), operation.amax(1)], -1)
        return self.verdict(evidence)[:, 0], operation

    def steps(self, tokens, order):
        """Form the page steps in the order of blocks: (batch, time, 1), 0 at a block's first operation."""
        pages, slots = (tokens[..., k : k + 1].gather(1, order) for k in (self.page, self.slot))
        far = self.farthest
        step = pages.diff(dim=1).clamp(-far, far) + far + 1
        return functional.pad(torch.where(slots.diff(dim=1) == 0, step, 0), (0, 0, 1, 0))

    def load(self, arrays: dict) -> None:
        """Take the weights of a Keras model: {path: array}."""
        with torch.no_grad():
            self.embedded.table.weight.copy_(torch.tensor(arrays["tokens_embedded/table"]))
            for name, layer in {
                "mixed": self.mixed,
                "pooling/hidden": self.hidden,
                "pooling/score": self.score,
                "operation": self.operation,
                "verdict": self.verdict,
            }.items():
                take_dense(layer, arrays, name)
            for k, gru in enumerate(self.grus):
                ways = {f"gru_{k}": ""}
                if gru.bidirectional:
                    ways = {f"both_ways_{k}/forward_gru_{k}": "", f"both_ways_{k}/backward_gru_{k}": "_reverse"}
                for name, suffix in ways.items():
                    take_gru(gru, arrays, f"by_block_{k}/{name}/gru_cell", suffix)


def take_dense(layer, arrays, name):
    layer.weight.copy_(torch.tensor(arrays[f"{name}/kernel"]).T)
    if layer.bias is not None:
        layer.bias.copy_(torch.tensor(arrays[f"{name}/bias"]))


def take_gru(gru, arrays, name, suffix=""):
    """Keras has the gates in the order update, reset, candidate; PyTorch reset, update, candidate."""

    def swapped(array):
        update, reset, candidate = torch.tensor(array).chunk(3, -1)
        return torch.cat([reset, update, candidate], -1).t()

    getattr(gru, f"weight_ih_l0{suffix}").copy_(swapped(arrays[f"{name}/kernel"]))
    getattr(gru, f"weight_hh_l0{suffix}").copy_(swapped(arrays[f"{name}/recurrent_kernel"]))
    for which, bias in zip(("ih", "hh"), arrays[f"{name}/bias"], strict=True):
        getattr(gru, f"bias_{which}_l0{suffix}").copy_(swapped(bias))


def net(recipe, model) -> TorchNand:
    return TorchNand(recipe)


def given(inputs) -> tuple:
    return (inputs["tokens"].long(),)


def loss(net, given, targets, recipe, weights):
    invalid, operation = net(*given)
    found = {
        "verdict": functional.binary_cross_entropy_with_logits(invalid, targets["invalid"]),
        "operation": over_operations(operation, targets["operation"]),
    }
    return sum(weights[name] * term for name, term in found.items())


def over_operations(logits, target):
    """Return the cross-entropy of the operations that count, first over each sequence."""
    each = functional.cross_entropy(logits.transpose(1, 2), target.long(), ignore_index=-1, reduction="none")
    counts = (target >= 0).float()
    return (each.sum(1) / counts.sum(1).clamp(min=1)).mean()
