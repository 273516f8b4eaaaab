"""Values that lie outside their range by rounding alone, as packing and regridding leave them: clipped and counted."""

from pathlib import Path

import numpy as np

from kmodels.core.cli import console


class Clipped:
    """Count what was clipped in one variable of a file, over as many calls as it is read in.

    Attributes
    ----------
    values : int
        Clipped so far.
    of : int
        Looked at so far.
    farthest : float
        How far the worst of them lay outside, in the unit of the values.
    """

    def __init__(self):
        self.values, self.of, self.farthest = 0, 0, 0.0

    def add(self, off: np.ndarray) -> None:
        """Count values that were clipped, given how far outside they lay."""
        self.values += off.size
        self.farthest = max(self.farthest, float(off.max(initial=0.0)))

    def tell(self, place: str | Path, name: str, rule: str, unit: str = "") -> None:
        """Say and log in one line how many values were clipped; nothing where none was.

        Parameters
        ----------
        place : str or pathlib.Path
            The file.
        name : str
            Of the variable.
        rule : str
            What the range is, such as "rain is 0 or more".
        unit : str
            Of the values.
        """
        if self.values:
            how_far = f"by at most {self.farthest:.2g}{unit and ' '}{unit}"
            console.notice(f"{place}: {name}: {self.values} of {self.of} values were off {how_far}: clipped; {rule}")


def clip_rounding(
    values: np.ndarray, low: float | None, high: float | None, tolerance: float, clipped: Clipped | None = None
) -> np.ndarray:
    """Put values that lie outside a range by no more than a tolerance on its ends.

    Parameters
    ----------
    values : numpy.ndarray
        Of any shape; they stay as they are.
    low, high : float or None
        Ends of the range; None: it has none on that side.
    tolerance : float
        What rounding can be, in the unit of the values. What lies farther off, and NaN, comes back unchanged: that is
        the caller's to refuse.
    clipped : Clipped, optional
        Counts what is changed.

    Returns
    -------
    numpy.ndarray
        A copy of the same type, or `values` itself where nothing lies outside by so little.
    """
    found = values
    for end, side in ((low, 1), (high, -1)):
        if end is None:
            continue
        off = side * (end - values)
        near = (off > 0) & (off <= tolerance)
        if near.any():
            found = np.where(near, np.asarray(end, values.dtype), found)
            if clipped is not None:
                clipped.add(off[near])
    if clipped is not None:
        clipped.of += values.size
    return found
