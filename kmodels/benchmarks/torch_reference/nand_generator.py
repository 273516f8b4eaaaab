"""The generator of command sequences in plain PyTorch: the second opinion on the default recipe's."""

import torch
from torch import nn

from kmodels.benchmarks.torch_reference.nand import Embedding, over_operations, take_dense, take_gru
from kmodels.nand.generator.data.history import FLAGS


class TorchGenerator(nn.Module):
    """One GRU reads the sequence once for every slot.

    Inputs (batch, time, 3) and (batch, time, slots, pages); output (batch, time, size), logits.
    """

    def __init__(self, recipe, vocabulary):
        super().__init__()
        m, self.slots = recipe.model, vocabulary.slots
        assert m.state == "blocks" and m.num_layers == 1 and m.keeps_pages
        pages = FLAGS + vocabulary.program[1]
        words = vocabulary.words + 1
        self.embedded = Embedding([words, words, 2 * self.slots, self.slots], m.embedding)
        self.gru = nn.GRU(m.embedding, m.hidden, batch_first=True)
        self.dropout = nn.Dropout(m.dropout)
        self.mixed = nn.Linear(m.hidden + pages, m.hidden)
        self.words = nn.Linear(m.hidden + pages, vocabulary.words)

    def forward(self, tokens, pages):
        slot, word = tokens[:, None, :, 1], tokens[:, None, :, 2]
        number = torch.arange(self.slots)[:, None]
        own = slot == number + 1
        away = torch.where(slot == 0, 0, slot - 1 - number + self.slots)
        columns = torch.stack([word * own, word * ~own, away, number.expand_as(away)], -1)
        x, _ = self.gru(self.embedded(columns.flatten(0, 1)))
        pages = pages.transpose(1, 2).flatten(0, 1).to(x.dtype)
        x = torch.relu(self.mixed(torch.cat([self.dropout(x), pages], -1)))
        logits = self.words(torch.cat([x, pages], -1)).unflatten(0, (-1, self.slots))
        return logits.transpose(1, 2).flatten(2)

    def load(self, arrays: dict) -> None:
        """Take the weights of a Keras model: {path: array}."""
        with torch.no_grad():
            self.embedded.table.weight.copy_(torch.tensor(arrays["tokens_embedded/table"]))
            take_gru(self.gru, arrays, "gru_0/gru/gru_cell")
            take_dense(self.mixed, arrays, "mixed")
            take_dense(self.words, arrays, "words")


def net(recipe, model) -> TorchGenerator:
    return TorchGenerator(recipe, model.vocabulary)


def given(inputs) -> tuple:
    return inputs["tokens"].long(), inputs["pages"]


def loss(net, given, targets, recipe, weights):
    return weights["token"] * over_operations(net(*given), targets["token"])
