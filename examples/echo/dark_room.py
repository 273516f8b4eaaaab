# %% [markdown]
# # What stands before my robot, and may it drive on?
#
# A builder of robots wants one that finds its way in the dark. It emits a chirp and records the echoes with two ears:
# twelve stops in four rooms ([drive](drive), a folder a room in the layout of BatVision V2, simulated here). On this
# drive a depth camera came along, which knows the answers; later the robot hears alone. How far is what stands before
# it, and may it drive on?
#
# The network that comes with kmodels answers in seconds. Run this as a script or as a notebook, beside the folder
# drive, after `pip install "kmodels[tensorflow]"` (or `[jax]`, `[torch]`). At the command line the depth images are
# `kmodels predict --preset echo --data drive --out depths`.

# %%
import kmodels

pairs = kmodels.read("echo", "drive", labels=False)
for what, value in kmodels.describe("echo", pairs).items():
    print(f"{what}: {value}")

# %% [markdown]
# ## What it hears
#
# A depth image of 64 x 64 pixels for each recording, 86 x 57 degrees of what lies ahead. The nearest and the farthest
# pixel and the middle, in metres:

# %%
heard = kmodels.from_preset("echo").predict(pairs)
table = heard.frame()
print(table[["recording", "nearest", "middle", "farthest"]].round(2).to_string(index=False))

# %% [markdown]
# ## Beside the camera

# %%
import numpy as np

from kmodels.core.report.figures import BLUE, GREY, figure

labelled = kmodels.read("echo", "drive")
camera = labelled.depth(np.arange(len(labelled)))  # 0 where the camera knows nothing
camera[camera == 0] = np.nan
shown = [0, 4, 7, 9]
picture, axes = figure(9, 4.6, 2, len(shown))
for column, row in enumerate(shown):
    for line, (name, image) in enumerate((("heard", heard.depth[row]), ("camera", camera[row]))):
        mesh = axes[line, column].imshow(image, vmin=0, vmax=6)
        axes[line, column].set(xticks=[], yticks=[])
        axes[line, column].set_title(f"{name}, {table['recording'][row].removesuffix('.wav')}", fontsize=9)
picture.colorbar(mesh, ax=axes, shrink=0.8, label="depth [m]")
picture.savefig("depths.png")

# %% [markdown]
# ## In the robot's way
#
# What counts is the middle of the image, where the robot would go: the distance that a tenth of it falls below.

# %%
way = (slice(None), slice(21, 43), slice(21, 43))
ahead = np.quantile(heard.depth[way], 0.1, axis=(1, 2))
true = np.nanquantile(camera[way], 0.1, axis=(1, 2))
picture, axis = figure(4.4, 4)
axis.plot([0, 6], [0, 6], color=GREY, lw=1)
axis.plot(true, ahead, "o", color=BLUE)
axis.set(xlabel="camera: what is ahead [m]", ylabel="heard [m]", xlim=(0, 6), ylim=(0, 6))
picture.savefig("ahead.png")

# %% [markdown]
# ## The answer
#
# The network hears how a room lies, with half the error of a guess. Whether the way is free is harder: two of three
# stops that it calls free for 1.5 m are not. With a margin of 2.2 m, chosen on these twelve stops, none of those is
# blocked, and the robot seldom drives. It needs a bumper, or a network that is tuned on recordings of its own rooms:
# `kmodels fit --from echo --data my_rooms`.

# %%
for least in (1.5, 2.2):
    go, free = ahead >= least, true >= 1.5
    print(
        f"free for {least} m by ear: {go.sum()} of {len(go)} stops; of these blocked within 1.5 m: {(go & ~free).sum()}"
    )
error = np.sqrt(np.nanmean((heard.depth - camera) ** 2))
flat = np.nanstd(camera)
print(f"root mean square error against the camera: {error:.2f} m; of the drive's mean depth everywhere: {flat:.2f} m")
