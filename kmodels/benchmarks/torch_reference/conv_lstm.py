"""ConvLSTM3D in plain PyTorch, channels first as PyTorch has it: the second opinion on our layer."""

from collections.abc import Callable

import torch

from kmodels.benchmarks.torch_reference.steps import DEVICE, autocast


class TorchConvLSTM3D(torch.nn.Module):
    """Shi et al. (2015) without peepholes: one convolution of [x_t, h] to the four gates i, f, c, o.

    Input (batch, time, channels, z, y, x); output the last h, or all of them, (batch, [time,] filters, z, y, x).
    """

    def __init__(self, channels: int, filters: int, kernel: int = 3, return_sequences: bool = False):
        super().__init__()
        self.filters, self.return_sequences = filters, return_sequences
        self.gates = torch.nn.Conv3d(channels + filters, 4 * filters, kernel, padding="same")

    def load(self, kernel, recurrent_kernel, bias):
        """Take the weights of a Keras layer, (z, y, x, in, out) and (out,)."""
        both = torch.cat([torch.tensor(kernel), torch.tensor(recurrent_kernel)], dim=3)
        with torch.no_grad():
            self.gates.weight.copy_(both.permute(4, 3, 0, 1, 2))
            self.gates.bias.copy_(torch.tensor(bias))

    def forward(self, x):
        h = c = x.new_zeros(x.shape[0], self.filters, *x.shape[3:])
        outputs = []
        for frame in x.unbind(1):
            i, f, candidate, o = self.gates(torch.cat([frame, h], dim=1)).chunk(4, dim=1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(candidate)
            h = torch.sigmoid(o) * torch.tanh(c)
            outputs.append(h)
        return torch.stack(outputs, dim=1) if self.return_sequences else h


def step(shape: tuple[int, ...], filters: int, precision: str, compiled: bool) -> Callable[[], float]:
    """Make a function that takes one training step of the layer on noise and returns the loss.

    shape: (batch, time, z, y, x, channels) as Keras has it; precision: as in `Steps`; compiled: by `torch.compile`.
    """
    channels_first = (*shape[:2], shape[-1], *shape[2:-1])
    layer = TorchConvLSTM3D(shape[-1], filters).to(DEVICE)
    forward = torch.compile(layer) if compiled else layer
    x = torch.rand(channels_first, device=DEVICE)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.01)

    def take_step():
        optimizer.zero_grad()
        with autocast(precision):
            loss = forward(x).square().mean()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return take_step
