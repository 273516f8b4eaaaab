"""Units that files may have, and what turns them into this package's."""

CONCENTRATION = {"kg m-3": 1.0, "g m-3": 1e-3, "mg m-3": 1e-6, "ug m-3": 1e-9}
EMISSION = {"kg s-1": 1.0, "g s-1": 1e-3}
LENGTH = {"m": 1.0}
SPEED = {"m s-1": 1.0}
