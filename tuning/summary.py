"""What a search found: a table, trials.csv, pictures, and the best recipe for `fit --config`."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.table import Table

from kmodels.core.cli import console
from kmodels.core.io import files
from kmodels.core.report import figures, tables
from kmodels.core.runs import provenance
from tuning.record import Record

RANKED = 20  # trials that the table on a terminal shows
MOST_TICKS = 6  # different values of a parameter that each get a place of their own
HIDDEN = ("tuner/bracket", "tuner/round", "tuner/initial_epoch", "tuner/trial_id")  # Hyperband's own business


def frame(record: Record) -> pd.DataFrame:
    """Tabulate the trials in the order they began: status, values, validation figures, held-out metrics.

    Metrics of held-out data are called `test_<metric>`; they are to look at, and chose nothing.
    """
    study = record.study
    rows = []
    for trial in record.trials():
        report = record.report(trial["trial_id"]) or {}
        values = {k: v for k, v in trial["hyperparameters"]["values"].items() if k not in HIDDEN}
        measured = {name: _measured(trial, name) for name in (study.objective, *study.beside)}
        if trial["status"] != "COMPLETED":
            measured[study.objective] = None
        held_out = {f"test_{name}": report.get("metrics", {}).get(name) for name in study.held_out}
        metadata = {"trial": trial["trial_id"], "status": trial["status"].lower()}
        rows.append(metadata | values | measured | held_out | {"seconds": report.get("duration_s")})
    return pd.DataFrame(rows)


def _measured(trial: dict, name: str) -> float | None:
    """Read a figure that a trial reported; None where it did not."""
    history = trial["metrics"]["metrics"].get(name)
    return history["observations"][-1]["value"][0] if history and history["observations"] else None


def searched(record: Record) -> list[str]:
    """List the names of what is searched, in the order of the space."""
    names: dict[str, None] = {}
    for trial in record.trials():
        names |= dict.fromkeys(key for key in trial["hyperparameters"]["values"] if key not in HIDDEN)
    return list(names)


def _varied(made: pd.DataFrame, record: Record) -> list[str]:
    """List those of what is searched of which several values were tried."""
    return [name for name in searched(record) if made[name].nunique() > 1]


def ranked(made: pd.DataFrame, record: Record) -> pd.DataFrame:
    """Sort trials, the best first, those without a score last."""
    study = record.study
    return made.sort_values(study.objective, ascending=study.direction == "min", na_position="last", kind="stable")


# -- files --------------------------------------------------------------------------------------------------------


def write(record: Record) -> pd.DataFrame:
    """Write trials.csv, summary.json, pictures and <study>.best.yaml into the search's folder; return the trials."""
    made, path = frame(record), record.path
    files.write_text(path / "trials.csv", made.to_csv(index=False))
    best = record.ranked()[:1]
    if not best:
        return made
    files.write_json(path / "summary.json", _content(made, record, best[0]))
    files.write_text(path / f"{record.study.name}.best.yaml", _recipe(record, best[0]))
    files.write_bytes(path / "parallel.png", figures.png(parallel_coordinates(made, record)))
    if len(_varied(made, record)) == 2:
        files.write_bytes(path / "heatmap.png", figures.png(heat_maps(made, record)))
    return made


def _content(made, record, best) -> dict:
    """Assemble what summary.json holds: enough for a reader who has nothing else."""
    study, report = record.study, record.report(best["trial_id"])
    plain = made.astype(object).where(made.notna(), None)
    return {
        "study": study.name,
        "question": study.question,
        "objective": study.objective,
        "direction": study.direction,
        "tuner": record.asked.tuner,
        "smoke": record.asked.smoke,
        "searched": searched(record),
        "best": best["trial_id"],
        "trials": [{key: _plain(value) for key, value in row.items()} for row in plain.to_dict("records")],
        "duration_s": float(made["seconds"].sum()),
        **provenance.of(report),
    }


def _plain(value):
    return value.item() if isinstance(value, np.generic) else value


def _recipe(record: Record, best: dict) -> str:
    """Write the best trial's recipe with a head that says where it comes from."""
    study, text = record.study, (record.run(best["trial_id"]) / "recipe.yaml").read_text(encoding="utf-8")
    done = sum(trial["status"] == "COMPLETED" for trial in record.trials())
    warning = ", of a smoke search: too small to judge" if record.asked.smoke else ""
    return (
        f"# python -m kmodels.fit --model {study.base.task} --config configs/{study.name}.best.yaml\n"
        f"# The best of {done} trials of study {study.name}, {record.asked.tuner} search on {record.asked.backend}: "
        f"{study.objective} {console.number(best['score'])}{warning}.\n{text}"
    )


# -- for people ---------------------------------------------------------------------------------------------------


def table(made: pd.DataFrame, record: Record) -> Table:
    """Tabulate the best trials for a terminal.

    Parameters
    ----------
    made : pandas.DataFrame
        As `frame` makes it.
    record : Record
        Of the search.
    """
    names = [record.study.objective, *searched(record), "seconds"]
    shown = console.new_table(f"{record.study.name}: {len(made)} trials, the best first")
    for name in ("trial", *names):
        shown.add_column(name.replace(".", ".\n").replace("_", "_\n"), no_wrap=True)
    for _, row in ranked(made, record).head(RANKED).iterrows():
        score = console.number(row[names[0]]) if row["status"] == "completed" else row["status"]
        shown.add_row(row["trial"], score, *(_cell(row[name]) for name in names[1:]))
    return shown


def _cell(value) -> str:
    if value is None or value != value:  # NaN
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def closing(record: Record) -> list[str]:
    """Say what to know and where to look, a line each."""
    counts: dict[str, int] = {}
    for trial in record.trials():
        counts[trial["status"].lower()] = counts.get(trial["status"].lower(), 0) + 1
    lines = ["", ", ".join(f"{n} {status}" for status, n in counts.items())]
    best = record.ranked()[:1]
    if best:
        name = record.study.objective
        lines.append(f"best: trial {best[0]['trial_id']}, {name} {console.number(best[0]['score'])}")
        lines.append(f"recipe       {record.path / record.study.name}.best.yaml, for fit --config")
    lines.append(f"trials       {record.path / 'trials.csv'}")
    lines.append(f"tensorboard  {console.command('tensorboard.main', '--logdir', record.path)}")
    return lines


def of_summary(content: dict) -> str:
    """Tabulate the trials of a summary.json in Markdown, the best first, and say where they were measured."""
    rows = pd.DataFrame(content["trials"])
    rows = rows.sort_values(content["objective"], ascending=content["direction"] == "min", na_position="last")
    held_out = [name for name in rows if name.startswith("test_")]
    names = [*content["searched"], content["objective"], *held_out]
    head = [name.replace("test_", "held-out ").replace("_", " ") for name in names]
    lines = [["trial", *head, "time"]]
    for _, row in rows.iterrows():
        seconds = f"{row['seconds']:.0f} s" if row["seconds"] == row["seconds"] else "-"
        lines.append([row["trial"], *(_cell(row[name]) for name in names), seconds])
    machine, day = content["hardware"], content["date"][:10]
    return (
        f"{tables.table(lines)}\n\nMeasured {day} on {content['backend']}, {content['tuner']} search, "
        f"{machine['cores']} cores of {machine['processor']}: {content['duration_s'] / 60:.0f} minutes."
    )


# -- pictures -----------------------------------------------------------------------------------------------------


def parallel_coordinates(made: pd.DataFrame, record: Record) -> Figure:
    """Plot an axis a parameter and one for the score; a line a trial, the darker the better, the best in orange.

    Parameters
    ----------
    made : pandas.DataFrame
        As `frame` makes it.
    record : Record
        Of the search.
    """
    from matplotlib import colormaps

    done = ranked(made[made["status"] == "completed"], record)[::-1]  # the best is drawn last
    names = [*_varied(made, record), record.study.objective]
    picture, axes = figures.figure(1.6 + 1.5 * len(names), 4)
    scales = [_Scale(done[name], most_ticks=0 if name == record.study.objective else MOST_TICKS) for name in names]
    shades = colormaps["Blues"](np.linspace(0.25, 0.9, len(done)))
    for k, (_, row) in enumerate(done.iterrows()):
        places = [scale(row[name]) for scale, name in zip(scales, names, strict=True)]
        best = k == len(done) - 1
        axes.plot(places, color=figures.ORANGE if best else shades[k], lw=2.5 if best else 1.2)
    for k, scale in enumerate(scales):
        axes.axvline(k, color=figures.GREY, lw=0.8)
        for value in (*scale.ticks, *([None] if scale.gaps else [])):
            text = "inactive" if value is None else _cell(value)
            axes.annotate(text, (k, scale(value)), (4, 2), textcoords="offset points", fontsize=7)
    axes.set_xticks(range(len(names)), [name.replace(".", ".\n") for name in names], fontsize=8)
    axes.set(yticks=[], ylim=(-0.2, 1.08))
    axes.spines[["left", "bottom"]].set_visible(False)
    return picture


class _Scale:
    """A parameter's values to 0 .. 1: few at even distances, many on a line, a logarithmic one for a wide range."""

    def __init__(self, column: pd.Series, most_ticks: int):
        present, self.gaps = column.dropna(), column.isna().any()
        numbers = pd.api.types.is_numeric_dtype(present) and not pd.api.types.is_bool_dtype(present)
        self.ticks = sorted(set(present.tolist()), key=None if numbers else str)
        self.even = len(self.ticks) <= most_ticks or len(self.ticks) < 2 or not numbers
        if not self.even:
            self.ticks = [self.ticks[0], self.ticks[-1]]
            self.log = self.ticks[0] > 0 and self.ticks[1] / self.ticks[0] >= 10

    def __call__(self, value) -> float:
        if value is None or value != value or not self.ticks:
            return -0.15  # not active in this trial
        if self.even:
            return self.ticks.index(value) / max(len(self.ticks) - 1, 1)
        low, high, value = (np.log(x) if self.log else x for x in (*self.ticks, value))
        return (value - low) / (high - low)


def heat_maps(made: pd.DataFrame, record: Record) -> Figure:
    """Plot the objective, and each figure beside it, over the two parameters that are searched.

    Parameters
    ----------
    made : pandas.DataFrame
        As `frame` makes it.
    record : Record
        Of the search.
    """
    across, down = _varied(made, record)
    names = [name for name in (record.study.objective, *record.study.beside) if made[name].notna().any()]
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    picture, axes = figures.figure(3.4 * columns, 2.9 * rows, rows, columns)
    places = np.atleast_1d(axes).ravel()
    for name, place in zip(names, places, strict=False):
        values = made.pivot_table(index=down, columns=across, values=name)
        place.imshow(values, cmap="Blues", aspect="auto", origin="lower")
        middle = np.nanmean(values.to_numpy())
        for (y, x), value in np.ndenumerate(values.to_numpy()):
            if np.isfinite(value):
                colour = "white" if value > middle else "black"
                place.text(x, y, f"{value:.3g}", ha="center", va="center", fontsize=8, color=colour)
        place.set_xticks(range(len(values.columns)), [_cell(value) for value in values.columns])
        place.set_yticks(range(len(values.index)), [_cell(value) for value in values.index])
        place.set(xlabel=across, ylabel=down, title=name)
    for place in places[len(names) :]:
        place.set_visible(False)
    return picture
