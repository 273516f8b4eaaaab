# %% [markdown]
# # Where will the cloud be in the next quarter of an hour, and what reaches the village?
#
# A forecaster has the record of a release exercise ([cloud.nc](cloud.nc), CF NetCDF, simulated here): concentrations on
# a grid of 12 x 12 x 6 cells, wind, terrain and stacks, a frame a minute. At minute 11 the question is what a village
# at x = 1050 m, y = 850 m will breathe.
#
# There is no trained network of this grid, so one is trained first, for a minute or two and on a few simulated runs: a
# small one, to show the way. For a forecast that counts, train with the default recipe on your own grid:
# `kmodels fit --model plume --data runs/`. At the command line, the forecast is
# `kmodels predict --run RUN --data cloud.nc --lead 15 --out forecast.nc`.

# %%
import kmodels

windows = kmodels.read("plume", "cloud.nc", smoke=True, labels=False)
for what, value in kmodels.describe("plume", windows).items():
    print(f"{what}: {value}")

# %% [markdown]
# ## A network for this grid

# %%
import contextlib
from pathlib import Path

small = {"data.n_runs": 24, "train.epochs": 6}
with Path("training.log").open("w") as log, contextlib.redirect_stdout(log):
    run = kmodels.fit("plume", smoke=True, out="runs", **small)
print(f"trained on {run.report['sizes']['train']} windows of {small['data.n_runs']} simulated runs")

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
forecast = run.predictor.forecast(window, leads)
truth = window.runs[0].concentration(seen + 1, seen + 1 + leads)
village = (0, 850 // 100, 1050 // 100)  # z, y, x: the lowest layer

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
