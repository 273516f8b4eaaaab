"""Several seeds summed up: means, spreads, and the verdict on each gate."""

import pytest

from kmodels.core.report import seeds
from kmodels.core.spec.gate import UNTRAINED, Gate

GATE = Gate("error", "error", 0.5, "a test", "<=", levels=(("minimum", 0.7), ("good", 0.5), ("ideal", 0.15)))


def report(seed, error, untrained=0.9, mean_map=0.7):
    baselines = {"mean_map": {"error": mean_map}, UNTRAINED: {"error": untrained}}
    return {
        "model": "some",
        "seed": seed,
        "metrics": {"error": error, "rare": None if seed else 1.0},
        "intervals": {"error": [error - 0.1, error + 0.2]},
        "baselines": baselines,
        "gates": [GATE.judge({"error": error}, baselines=baselines)],
        "history": [{"epoch": 1}],
        "duration_s": 10.0 * (seed + 1),
        "peak_memory_gb": 1.0 + seed,
    }


def test_means_spreads_and_intervals_over_seeds():
    found = seeds.summarize([report(0, 0.1), report(1, 0.2), report(2, 0.3)])
    assert found["seeds"] == [0, 1, 2] and "history" not in found
    assert found["metrics"]["error"] == pytest.approx(0.2) and found["spread"]["error"] == pytest.approx(0.1)
    assert found["metrics"]["rare"] is None, "a mean of what one seed does not have says nothing"
    assert found["intervals"]["error"] == pytest.approx([0.0, 0.5])
    assert found["duration_s"] == 20 and found["peak_memory_gb"] == 3
    (gate,) = found["gates"]
    assert gate["status"] == "passed" and gate["discriminates"] is True and gate["each"] == [0.1, 0.2, 0.3]
    assert gate["level"] == "good", "that of the worst seed"


def test_a_gate_that_one_seed_fails_is_failed_though_the_mean_passes():
    (gate,) = seeds.summarize([report(0, 0.1), report(1, 0.6)])["gates"]
    assert gate["value"] == pytest.approx(0.35) and gate["status"] == "failed" and gate["level"] == "minimum"


def test_a_gate_that_one_seeds_untrained_network_passes_does_not_discriminate():
    (gate,) = seeds.summarize([report(0, 0.1), report(1, 0.1, untrained=0.4)])["gates"]
    assert gate["discriminates"] is False and gate["untrained"] == 0.4, "the one nearest to passing is shown"


def test_the_strongest_baseline_of_all_seeds_is_shown():
    (gate,) = seeds.summarize([report(0, 0.1, mean_map=0.8), report(1, 0.1, mean_map=0.6)])["gates"]
    assert gate["best_baseline"] == {"name": "mean_map", "value": 0.6}
