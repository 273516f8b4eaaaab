"""Recipes of metasurface that tests start from."""

from kmodels.metasurface.recipe import RECIPE

SCALAR = RECIPE().with_changes(RECIPE.VARIANTS["scalar"])  # quick: nothing rigorous in data or network
