"""What the parts of PlumeNet share."""

from typing import NamedTuple


class Settings(NamedTuple):
    """Arguments of PlumeNet, see there."""

    grid: tuple[int, int, int]
    past: int
    filters: int
    num_layers: int
    kernel_size: int
    scales: int
    wind: bool
    transport: bool
    base: str
    memory: float
    remat: bool
    substeps: int
    cell: tuple[float, float, float]
    seconds: float
    c0: float
    policy: str
