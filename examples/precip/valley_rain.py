# %% [markdown]
# # How likely is a flood in my valley, when the forecast knows only large cells?
#
# A hydrologist has a month of a coarse model ([days](days), CF NetCDF, simulated here): rain, moisture, pressure,
# temperature and wind in cells 0.6 degrees wide. The valley is 8 x 8 cells of 0.15 degrees, four coarse ones, and its
# brooks flood where 30 mm or more fall on a cell in a day. The mean over a coarse cell hardly ever gets there. How
# likely is it on each day? (What fell is in fine.nc, which is used in the end to see who was right.)
#
# The network that comes with kmodels samples fields of fine rain that are plausible for each coarse day. Run this as a
# script or as a notebook, beside the folder days, after `pip install "kmodels[tensorflow]"` (or `[jax]`, `[torch]`). At
# the command line the fields are `kmodels predict --preset precip --data days --members 50 --out ensemble.nc`.

# %%
import kmodels

days = kmodels.read("precip", "days", labels=False)
for what, value in kmodels.describe("precip", days).items():
    print(f"{what}: {value}")

# %% [markdown]
# ## Fifty fields for each day

# %%
import numpy as np

valley, flood = (slice(None), slice(None), slice(20, 28), slice(16, 24)), 30.0  # day, member, y, x; mm/day
ensemble = kmodels.from_preset("precip").sample(days, members=50, seed=1)
fields = np.concatenate([part for _, part in ensemble.blocks()])
highest = fields[valley].max((2, 3))  # (day, member), the wettest cell of the valley
chance = (highest >= flood).mean(1)
coarse = days.state(np.arange(len(days)))[..., days.predictors.index("pr")][:, 5:7, 4:6].max((1, 2))
for k in np.argsort(-chance)[:6]:
    print(f"{days.dates[k]:%Y-%m-%d}: wettest coarse cell {coarse[k]:.0f} mm, chance of a flood {chance[k]:.2f}")

# %% [markdown]
# ## The day with most of it
#
# What the forecast says, two of the fields, the chance of 30 mm in each cell, and what fell. The square is the valley.

# %%
from matplotlib.colors import PowerNorm

from kmodels.core.report.figures import BLUE, GREY, ORANGE, figure

recorded = kmodels.read("precip", "days")
rain = recorded.rain(np.arange(len(recorded)))
day = int(np.argmax(coarse))
forecast = days.state([day])[0, ..., days.predictors.index("pr")].repeat(4, 0).repeat(4, 1)
panels = [("forecast", forecast), *((f"field {k + 1}", fields[day, k]) for k in range(2)), ("what fell", rain[day])]
picture, axes = figure(10, 3, 1, 5)
norm = PowerNorm(0.5, 0, 60)
for axis, (title, field) in zip(axes, panels, strict=False):
    mesh = axis.imshow(field, origin="lower", norm=norm, cmap="viridis_r")
    axis.set_title(f"{title} [mm]", fontsize=9)
axes[4].imshow((fields[day] >= flood).mean(0), origin="lower", vmin=0, vmax=1, cmap="magma_r")
axes[4].set_title("chance of 30 mm, 0 to 1", fontsize=9)
for axis in axes:
    axis.plot([15.5, 23.5, 23.5, 15.5, 15.5], [19.5, 19.5, 27.5, 27.5, 19.5], color=ORANGE)
    axis.set(xticks=[], yticks=[])
picture.savefig("day.png")

# %% [markdown]
# ## The month
#
# The wettest cell of the valley: nine of ten fields lie in the bar; the line is where the brooks flood.

# %%
fell = rain[valley[1:]].max((1, 2))
low, high = np.quantile(highest, [0.05, 0.95], axis=1)
picture, axis = figure(7, 3.4)
number = np.arange(1, len(days) + 1)
axis.bar(number, high - low, bottom=low, width=0.6, color=BLUE, alpha=0.4, label="nine of ten fields")
axis.plot(number, coarse, "_", color=GREY, ms=9, mew=2, label="wettest coarse cell")
axis.plot(number, fell, "o", color=ORANGE, ms=4, label="what fell")
axis.axhline(flood, color=GREY, lw=1)
axis.set(xlabel="day of January", ylabel="wettest cell of the valley [mm]")
axis.legend(frameon=False)
picture.savefig("month.png")

# %% [markdown]
# ## The answer

# %%
flooded, warned = fell >= flood, chance >= 0.3
print(
    f"days with 30 mm in the valley: {flooded.sum()}; the forecast's coarse cells reach it on {(coarse >= flood).sum()}"
)
print(f"days with a chance of 0.3 or more: {warned.sum()}, of which {(warned & flooded).sum()} flooded")
print(f"floods without a warning: {(flooded & ~warned).sum()}")
print(f"chances of all days together: {chance.sum():.0f} floods expected")
inside = (fell >= low) & (fell <= high)
print(f"days whose wettest cell lies between 5% and 95% of the fields: {inside.sum()} of {len(inside)}")
