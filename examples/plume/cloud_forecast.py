# %% [markdown]
# # Where will the cloud be in the next quarter of an hour, and what reaches the village?
#
# A forecaster has the record of a release exercise ([cloud.nc](cloud.nc), CF NetCDF, simulated here): concentrations on
# a grid of 20 x 20 x 8 cells of 100 x 100 x 20 m, wind, terrain and stacks, a frame a minute. At minute 11 the question
# is what a village at x = 150 m, y = 950 m will breathe.
#
# The network that comes with kmodels answers in seconds. Run this as a script or as a notebook, in the folder of
# cloud.nc, after `pip install "kmodels[tensorflow]"` (or `[jax]`, `[torch]`). At the command line the forecast is
# `kmodels predict --preset plume --data cloud.nc --lead 15 --out forecast.nc`. It takes other grids, too, and says that
# it was not made for them; for a forecast that counts, train on your own: `kmodels fit --model plume --data runs/`.

# %%
import kmodels

windows = kmodels.read("plume", "cloud.nc", labels=False)
for what, value in kmodels.describe("plume", windows).items():
    print(f"{what}: {value}")

# %% [markdown]
# ## The forecast
#
# From the frames up to minute 11, each minute from the one before. The wind of the minutes to come is that of the file,
# where a weather forecast would stand.

# %%
import numpy as np

seen, leads = 11, 15
last = windows.first + windows.n_past - 1  # the last frame that each window sees
window = windows.take(np.flatnonzero(last == seen))
forecast = kmodels.from_preset("plume").forecast(window, leads)
truth = window.runs[0].concentration(seen + 1, seen + 1 + leads)
village = (0, 950 // 100, 150 // 100)  # z, y, x: the lowest layer

# %%
from kmodels.core.report.figures import BLUE, GREY, ORANGE, figure

picture, axes = figure(10, 6.4, 2, 4)
for k, lead in enumerate((1, 5, 10, 15)):
    for row, values in enumerate((truth[lead - 1], forecast.concentration[0, lead - 1])):
        axes[row, k].imshow(1e9 * values[0], origin="lower", cmap="magma_r", vmin=0, vmax=1e9 * truth[:, 0].max())
        axes[row, k].plot(village[2], village[1], "s", mfc="none", mec=BLUE)
        axes[row, k].set_title(f"{'recorded' if row == 0 else 'forecast'}, minute {seen + lead}", fontsize=9)
picture.savefig("cloud.png")

# %% [markdown]
# ## In the village

# %%
minutes = seen + np.arange(1, leads + 1)
there = {"recorded": truth[(slice(None), *village)], "forecast": forecast.concentration[(0, slice(None), *village)]}
there["as it is now"] = np.full(leads, window.runs[0].concentration(seen, seen + 1)[(0, *village)])
picture, axis = figure(6, 3.4)
for (name, values), colour in zip(there.items(), (GREY, BLUE, ORANGE), strict=True):
    axis.plot(minutes, 1e9 * values, color=colour, label=name)
axis.set(xlabel="minute", ylabel="concentration [ug m-3]", ylim=(0, None))
axis.legend(frameon=False)
picture.savefig("village.png")

# %% [markdown]
# ## The answer

# %%
mean = {name: 1e9 * values.mean() for name, values in there.items()}
for name, value in mean.items():
    print(f"{name}: {value:.0f} ug m-3 in the village, mean of minutes {minutes[0]} to {minutes[-1]}")
