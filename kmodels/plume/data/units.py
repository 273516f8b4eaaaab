"""The units of this package, which those of files are converted to."""

CONCENTRATION = "kg m-3"
EMISSION = "kg s-1"
LENGTH = "m"
SPEED = "m s-1"
