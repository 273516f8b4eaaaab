# %% [markdown]
# # What do my patterns do to light, and is there a better router?
#
# A designer has drawn four patterns of silicon nitride, one period of 1 um each, above the four pixels of a Bayer cell
# ([patterns.h5](patterns.h5), a dataset `patterns` (4, 128, 128) of 0 and 1). How much light of which colour reaches
# which pixel, which of them routes colours best, and how much better can a pattern be?
#
# Run this as a script or as a notebook, in the folder of patterns.h5, after `pip install "kmodels[tensorflow]"` (or
# `[jax]`, `[torch]`). At the command line the spectra are
# `kmodels predict --preset metasurface --data patterns.h5 --out spectra.csv`.

# %%
import h5py

import kmodels

structures = kmodels.read("metasurface", "patterns.h5", labels=False)
for what, value in kmodels.describe("metasurface", structures).items():
    print(f"{what}: {value}")
with h5py.File("patterns.h5") as file:
    names = list(file.attrs["names"])

# %% [markdown]
# ## Spectra
#
# The network that comes with kmodels gives the transmittance of each pixel at 51 wavelengths, in a tenth of a second
# each where a rigorous solver takes two, with intervals, and says where a pattern is unlike those of its training.

# %%
from kmodels.core.report.figures import figure
from kmodels.metasurface.evaluation.drawing import draw_pattern, draw_spectra

spectra = kmodels.from_preset("metasurface").predict(structures)
picture, axes = figure(10, 5.6, 2, 4)
for k, name in enumerate(names):
    draw_pattern(axes[0, k], structures.patterns([k])[0], structures.pixel_order)
    draw_spectra(axes[1, k], structures.wavelength, spectra.transmittance[k], structures.pixel_order)
    axes[0, k].set_title(name, fontsize=8)
    axes[1, k].set_ylim(0, 0.75)
axes[1, 0].legend(frameon=False, fontsize=7, ncols=2)
picture.savefig("spectra.png")

# %% [markdown]
# ## The best of them
#
# A router's efficiency is the share of the light that reaches a pixel of its own colour: 1/3 without a pattern.

# %%
from kmodels.metasurface.evaluation.router import efficiency

asked = spectra.transmittance, structures.wavelength, structures.pixel_order, spectra.band
drawn = efficiency(*asked)
for name, value in zip(names, drawn, strict=True):
    print(f"{value:.3f}  {name}")

# %% [markdown]
# ## A better one
#
# The network has gradients, so a pattern can be searched for: four random patterns are improved side by side, features
# that are too small to be made are removed, and the rigorous solver, not the network, says what came of it, beside 100
# random patterns. This takes a few minutes.

# %%
import shlex

from kmodels.metasurface.studies import design

words = "--preset metasurface --target bayer --starts 4 --steps 40 --random 100 --out design.h5"
status = design.main(shlex.split(words))

# %% [markdown]
# ## The answer

# %%
import numpy as np

from kmodels.metasurface.simulator.structures import solver_of

data = kmodels.from_preset("metasurface").recipe.data
solved = np.stack([solver_of(data).solve(pattern).transmitted for pattern in structures.patterns()])
exact = efficiency(solved, structures.wavelength, structures.pixel_order, spectra.band)
found = kmodels.read("metasurface", "design.h5")
best = efficiency(found.spectra[:1], found.wavelength, found.pixel_order, spectra.band)[0]
error = np.abs(solved - spectra.transmittance).mean()
print(f"the network's mean absolute error on the drawn patterns, against the simulator: {error:.4f}")
print(f"best drawn pattern: {names[int(exact.argmax())]}, {exact.max():.3f} of the light in pixels of its colour")
print(f"the designed router: {best:.3f}; design.h5 holds it, in the layout of patterns.h5")
