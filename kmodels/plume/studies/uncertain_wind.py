"""Forecast under a wind that is wrong: how much is lost, and an ensemble that knows it.

  python -m kmodels.plume.studies.uncertain_wind --run runs/plume-seed1101-... runs/plume-seed1102-... --out wind.json

The wind that forecasts are given differs from the true one, by an angle and a factor that are drawn for each held-out
run (normal, and log-normal). The network is compared with the simulator's own solver and with persistence under the
same wrong wind. An ensemble takes the networks in turn. With base "solver" it draws its members' closures around those
that the network found, by a spread that is fitted on the validation runs; with another base it draws their winds around
the given one, as the ensemble of the solver beside it does. Its spread should be its error, and its share of members
above a threshold the frequency of that. A picture is written next to --out.

Exit status: 0 FAC2 at lead 30 is 0.75 or more and above every baseline's, and spread / skill between 0.8 and 1.2, 1 it
is not so, 2 bad input or usage.
"""

import sys
from pathlib import Path

import numpy as np

from kmodels.core.cli import cli
from kmodels.core.spec.errors import UserError

FAC2, RATIO = 0.75, (0.8, 1.2)  # asked at the last lead; of spread and skill
LEAD = 30
THRESHOLD = 1e-8  # kg m-3 (10 ug m-3), whose exceedance is a probability
C0 = 1e-8  # kg m-3: spread and error are those of log1p(c / C0)
SHIFTS = 0.3, 0.3, 0.06, 0.12  # that spread is a multiple of: logarithms of K_h and K_v, angle [rad], log of the speed
FIT_WINDOWS = 40  # of validation runs, that the spread is fitted on
NETWORK, SOLVER = "network", "class_d_solver"


def main(argv=None) -> int:
    """Run the study; return the exit status."""
    options = cli.parser("plume.studies.uncertain_wind", __doc__)
    options.add_argument("--run", required=True, nargs="+", metavar="RUN", help="run folders of fit, of one recipe")
    options.add_argument("--out", required=True, metavar="FILE", help="the figures, .json")
    options.add_argument("--members", type=int, default=10, metavar="N", help="of the ensemble (default: 10)")
    options.add_argument("--degrees", type=float, default=20.0, metavar="D", help="of the direction (default: 20)")
    options.add_argument("--share", type=float, default=0.2, metavar="S", help="of the speed (default: 0.2)")
    options.add_argument("--seed", type=int, default=0, metavar="S", help="of the errors (default: 0)")
    cli.add_backend_option(options)
    return cli.run(options, _study, argv)


def _study(args, words) -> int:
    cli.reject_extra_arguments(words)
    _check(args)
    predictors = cli.load_predictors(args)
    from kmodels.core.cli import console
    from kmodels.core.io import files
    from kmodels.core.report import figures
    from kmodels.core.runs import provenance
    from kmodels.plume.studies.uncertain_wind_report import plot, table

    first = predictors[0]
    if first.task.name != "plume" or not first.recipe.model.needs_wind:
        raise UserError(f"{args.run[0]}: a run of plume that is given the wind is needed")
    settings = {name: getattr(args, name) for name in ("members", "degrees", "share", "seed")}
    with console.progress("forecasting") as bar:
        found, shown = study([one.model for one in predictors], first, settings, bar)
    record = settings | {"runs": len(predictors), "lead": LEAD} | found | provenance.here()
    files.write_json(args.out, record)
    picture = Path(args.out).with_suffix(".png")
    files.write_bytes(picture, figures.png(plot(shown)))
    console.say(f"{table(record)}\n\nwritten: {args.out} and {picture}")
    return int(not is_reached(record))


def _check(args) -> None:
    if Path(args.out).suffix.lower() != ".json":
        raise UserError(f"--out {args.out}: the suffix must be .json")
    if args.members < 2 or args.seed < 0 or not 0 <= args.degrees <= 180 or not 0 <= args.share <= 1:
        raise UserError("--members: 2 or more; --seed: 0 or more; --degrees: 0 to 180; --share: 0 to 1")


def study(models: list, predictor, settings: dict, progress) -> tuple[dict, dict]:
    """Forecast under wrong winds.

    Parameters
    ----------
    models : list of PlumeNet
        Of one recipe.
    predictor : Predictor
        Of the first of them, whose held-out runs are taken.
    settings : dict
        members, degrees, share and seed.
    progress : callable
        ``progress(done, total, text)`` shows how far it is.

    Returns
    -------
    found : dict
        `single` by forecast and `ensemble` by forecast, figures of the last lead and over all leads.
    shown : dict
        What the picture needs.
    """
    from kmodels.core.runs import pipeline
    from kmodels.plume.data.flow.wind_error import with_error
    from kmodels.plume.evaluation.baselines import baseline_forecasts
    from kmodels.plume.evaluation.extended import lead_sums, rollout_rows
    from kmodels.plume.evaluation.metrics import air_mask
    from kmodels.plume.evaluation.rollout import roll_out
    from kmodels.plume.evaluation.solver import restart

    splits, recipe = pipeline.data_of(predictor.task, predictor.run), predictor.recipe
    windows = splits.part("test")
    windows = windows.take(rollout_rows(windows))
    rows = np.arange(len(windows))
    truth, air = windows.future(rows, LEAD), air_mask(windows, rows)
    rng = np.random.default_rng([settings["seed"], 0x817D])
    law = settings["degrees"], settings["share"]
    given = with_error(windows, rng, *law)
    progress(0, settings["members"] + 1, "under the given wind")
    single = {NETWORK: roll_out(models[0], given, recipe, LEAD)}
    single |= baseline_forecasts(given, LEAD, splits.part("train"))
    sums = {name: lead_sums(truth, forecast) for name, forecast in single.items()}
    found = {}
    if recipe.model.base == "solver":
        found["spread"] = fit_spread(models, splits.part("validation"), recipe, settings, rng)
    members = {NETWORK: [], SOLVER: []}
    for k in range(settings["members"]):
        progress(k + 1, settings["members"] + 1, f"member {k + 1}")
        winds = with_error(given, rng, *law)
        model = models[k % len(models)]
        if "spread" in found:
            member = shifted_member(model, given, recipe, found["spread"], rng)
        else:
            member = roll_out(model, winds, recipe, LEAD)
        members[NETWORK].append(member.concentration)
        members[SOLVER].append(restart(winds, LEAD).concentration)
    found |= {
        "windows": len(windows),
        "single": {name: scores(of, windows.groups, settings["seed"]) for name, of in sums.items()},
        "ensemble": {name: ensemble_scores(np.stack(of), truth, air) for name, of in members.items()},
    }
    row = int(np.argmax(truth[:, -1].sum((1, 2, 3))))
    maps = {name: np.mean([one[row, -1] > THRESHOLD for one in of], axis=0) for name, of in members.items()}
    shown = {"truth": truth[row, -1] > THRESHOLD, "maps": maps, "reliability": found["ensemble"]}
    return found, shown


def shifted_member(model, windows, recipe, spread: float, rng: np.random.Generator):
    """Forecast under closures drawn around those that the network finds, with `spread` times SHIFTS."""
    from kmodels.plume.evaluation.rollout import roll_out_shifted

    shifts = spread * np.array(SHIFTS) * rng.standard_normal((len(windows), len(SHIFTS)))
    return roll_out_shifted(model, windows, recipe, LEAD, shifts)


def fit_spread(models: list, windows, recipe, settings: dict, rng: np.random.Generator) -> float:
    """Find the spread of closures whose ensemble spreads as much as it errs, on other runs than those judged.

    As spread and error grow together, the ratio is made 1 by secants of its logarithm.
    """
    from kmodels.plume.data.flow.wind_error import with_error
    from kmodels.plume.evaluation.extended import rollout_rows
    from kmodels.plume.evaluation.metrics import air_mask

    windows = windows.take(rollout_rows(windows))
    windows = windows.take(np.unique(np.linspace(0, len(windows) - 1, FIT_WINDOWS).astype(int)))
    rows = np.arange(len(windows))
    truth, air = windows.future(rows, LEAD), air_mask(windows, rows)
    given = with_error(windows, rng, settings["degrees"], settings["share"])

    def log_ratio(log_spread: float) -> float:
        of = [models[k % len(models)] for k in range(settings["members"])]
        members = [shifted_member(one, given, recipe, np.exp(log_spread), rng).concentration for one in of]
        return np.log(ensemble_scores(np.stack(members), truth, air)["spread_skill"])

    at, ratio = 0.0, log_ratio(0.0)
    slope = 1.0
    for _ in range(2):
        last, at = at, float(np.clip(at - ratio / slope, -2.0, 2.0))
        before, ratio = ratio, log_ratio(at)
        slope = float(np.clip((ratio - before) / (at - last), 0.3, 2.0)) if at != last else 1.0
    return float(np.exp(np.clip(at - ratio / slope, -2.0, 2.0)))


def scores(sums: np.ndarray, groups: np.ndarray, seed: int) -> dict:
    """Score a forecast: FAC2 at the last lead with its interval, and FAC2, FB and MSE over all leads."""
    from kmodels.plume.evaluation.metrics import pooled_scores

    last, whole = pooled_scores(sums[:, -1], groups, seed), pooled_scores(sums.sum(axis=1), groups, seed)
    found = {f"fac2_lead_{LEAD}": last.values["fac2"], "interval": list(last.intervals.get("fac2", (None, None)))}
    return found | {name: whole.values[name] for name in ("fac2", "abs_fb", "mse")}


def ensemble_scores(members: np.ndarray, truth: np.ndarray, air: np.ndarray) -> dict:
    """Score an ensemble over all leads.

    ::

        spread / skill = sqrt((M + 1) / M mean variance of the M members) / RMSE of their mean,  of log1p(c / C0)
        Brier score = mean (p - o)^2,  p: share of members above THRESHOLD, o: whether it was exceeded

    Parameters
    ----------
    members : array (M, windows, leads, z, y, x)
        [kg m-3].
    truth : array (windows, leads, z, y, x)
        [kg m-3].
    air : array (windows, z, y, x) of bool
        Cells above ground.

    Returns
    -------
    dict
        `spread_skill`, over all leads and at the last one, `brier`, that of one member alone, and `reliability`: of ten
        bins of probability the mean, the observed frequency and the number of cells.
    """
    everywhere = np.broadcast_to(air[:, None], truth.shape)
    logs, wanted = np.log1p(members / C0), np.log1p(truth / C0)
    size = len(members)
    variance, error = logs.var(axis=0, ddof=1) * (size + 1) / size, (logs.mean(axis=0) - wanted) ** 2
    probability, exceeded = (members > THRESHOLD).mean(axis=0)[everywhere], (truth > THRESHOLD)[everywhere]
    return {
        "spread_skill": _ratio(variance[everywhere], error[everywhere]),
        f"spread_skill_lead_{LEAD}": _ratio(variance[:, -1][air], error[:, -1][air]),
        "brier": float(((probability - exceeded) ** 2).mean()),
        "brier_of_one": float(((members[0] > THRESHOLD)[everywhere] != exceeded).mean()),
        "reliability": _reliability(probability, exceeded),
    }


def _ratio(variance: np.ndarray, error: np.ndarray) -> float:
    return float(np.sqrt(variance.mean() / error.mean()))


def _reliability(probability, exceeded) -> list[list[float]]:
    """Compute mean probability, observed frequency and count of each bin that is not empty."""
    from kmodels.core.report.figures import reliability_bins

    mean, observed, count = reliability_bins(probability, exceeded)
    return [list(row) for row in zip(mean.tolist(), observed.tolist(), count[count > 0].tolist(), strict=True)]


def is_reached(record: dict) -> bool:
    """Say whether the network is good enough under the wrong wind, better than all else, and its spread its error."""
    last = {name: of[f"fac2_lead_{LEAD}"] for name, of in record["single"].items()}
    ours = last.pop(NETWORK)
    ratio = record["ensemble"][NETWORK]["spread_skill"]
    return ours >= FAC2 and ours > max(last.values()) and RATIO[0] <= ratio <= RATIO[1]


if __name__ == "__main__":
    sys.exit(main())
