# %% [markdown]
# # Which of my sequences are illegal, and where?
#
# A test engineer has a log of a regression run on a NAND device: 60 test cases, a row an operation, no labels
# ([trace.csv](trace.csv), simulated here). Some cases were generated wrongly: they program a page too early, or read
# what is not there. Which are they, and which operation is the first that the device must not be given?
#
# The network that comes with kmodels answers in seconds. Run this as a script or as a notebook, in the folder of
# trace.csv, after `pip install "kmodels[tensorflow]"` (or `[jax]`, `[torch]`). At the command line the same is
# `kmodels predict --preset nand --data trace.csv --out verdicts.csv`.

# %%
import kmodels

trace = kmodels.read("nand", "trace.csv", labels=False)
for what, value in kmodels.describe("nand", trace).items():
    print(f"{what}: {value}")

# %% [markdown]
# ## The verdicts

# %%
model = kmodels.from_preset("nand")
prediction = model.predict(trace)
verdicts = prediction.frame()
illegal = verdicts[~verdicts["valid"]]
print(f"{len(illegal)} of {len(verdicts)} sequences are illegal")
print(illegal[["sequence", "violation_index", "operation"]].to_string(index=False))

# %% [markdown]
# `violation_index` is the step of the first illegal operation, counted from 0 within its sequence. Each verdict names
# the rule that it breaks:

# %%
for rule, cases in illegal.groupby("rule")["sequence"]:
    print(f"broken by {len(cases)}: {rule}")
    print("   ", ", ".join(cases))

# %% [markdown]
# How sure is the network? Where a probability lies near the threshold, look at the sequence yourself.

# %%
threshold = verdicts["threshold"].iloc[0]
doubtful = verdicts[(verdicts["probability_invalid"] - threshold).abs() < 0.3]
print(f"sequences within 0.3 of the threshold: {len(doubtful)}")

# %% [markdown]
# ## One of them, drawn
#
# The blocks of the first illegal sequence by time, pages as numbers, and below the probability that an operation is the
# first violation. The line is the first illegal operation by the rules of the device. They are known here, so the
# verdicts can be checked; of a device whose rules nobody has written down, a network can be tuned on its own log:
# `kmodels fit --from nand --data labelled.csv`.

# %%
from kmodels.nand.evaluation.figures import plot_timeline

checked = kmodels.read("nand", "trace.csv")  # labelled by the rules, for the file has no labels
plot_timeline(checked, prediction, illegal.index[0]).savefig("violation.png")

# %% [markdown]
# ## The answer

# %%
right = prediction.invalid == checked.invalid
places = prediction.violation_index[checked.invalid] == checked.violation_index[checked.invalid]
print(f"verdicts that agree with the rules: {right.sum()} of {len(right)}")
print(f"first illegal operations found: {places.sum()} of {len(places)}")
columns = ["sequence", "violation_index", "operation", "rule"]
illegal[columns].to_csv("fix_these.csv", index=False)
print(f"fix_these.csv lists {len(illegal)} sequences, each with the operation to change")
