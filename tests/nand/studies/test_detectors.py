"""Detectors without a network: by hand, and what each of them cannot see."""

import numpy as np
import pytest
from helpers.plain_nand import trace_of

from kmodels.nand.generator.data.encode import Vocabulary
from kmodels.nand.generator.evaluation.calibration import choose_threshold
from kmodels.nand.generator.evaluation.metrics import detection
from kmodels.nand.recipe import Data
from kmodels.nand.simulator.sequences import sample_pairs
from kmodels.nand.studies.detectors import Automaton, BlockWords, NGram, SeenPairs

KNOWN = Vocabulary(3, (-16, 16), (-16, 16), open=True)


def words_of(*texts):
    return BlockWords.of(trace_of(*texts), None, KNOWN)


def test_words_by_hand():
    words = words_of("e0 p0.0 e1 p0.1 r0.0", "e0 p0.0")
    names = [[KNOWN.names[w] if w >= 0 else None for w in row] for row in words.word]
    assert names[0] == ["erase", "program +0", "erase", "program +0", "read -2"] and names[1][2:] == [None] * 3
    assert words.held.tolist() == [[False] * 4 + [True], [False] * 5]
    assert sorted(len(strand) for strand, _ in words.strands()) == [1, 2, 4]


def test_shares_of_seen_pairs_by_hand():
    train = words_of("e0 p0.0 p0.1 r0.0")
    found = SeenPairs(pages=False).fit(train, train, KNOWN.words).surprise(words_of("e0 p0.0 p0.0"))[0]
    total = 4 + 0.01 * 2 * KNOWN.words
    np.testing.assert_allclose(found, -np.log(np.array([1.01, 2.01, 0.01]) / total))


def test_an_ngram_remembers_what_came_before():
    """Read after program and program after read: single words say nothing, pairs everything."""
    train = words_of(*["e0 p0.0 r0.0 p0.1 r0.1 p0.2 r0.2"] * 20)
    grams = NGram().fit(train, train, KNOWN.words)
    assert grams.order > 1
    expected, wrong = (grams.surprise(words_of(text))[0, -1] for text in ("e0 p0.0 r0.0 p0.1", "e0 p0.0 r0.0 r0.0"))
    assert expected < 0.2 and wrong > 2.0


@pytest.fixture(scope="module")
def parts():
    """Traces of a device whose pages may be left out: legal ones to learn from and choose by, mixed ones."""
    data = Data(program_order="monotonic", strategies=("overwrite", "read_unwritten", "stale_read"))
    traces = [sample_pairs(np.random.default_rng(seed), n, data) for seed, n in enumerate((800, 200, 200))]
    traces = [traces[0].take(~traces[0].invalid), traces[1].take(~traces[1].invalid), traces[2]]
    return traces[2], [BlockWords.of(trace, data, KNOWN) for trace in traces]


def scored(detector, parts):
    test, (train, validation, mixed) = parts
    detector.fit(train, validation, KNOWN.words)
    return detection(test, detector.surprise(mixed), choose_threshold(detector.surprise(validation)))


def test_a_table_needs_to_know_which_pages_are_written(parts):
    blind, seeing = (scored(SeenPairs(pages), parts) for pages in (False, True))
    assert seeing["auroc"] > 0.99 and seeing["localisation"] > 0.95
    assert blind["auroc"] < 0.98 and blind["localisation"] < 0.95


def test_an_automaton_learns_from_legal_traces(parts):
    pytest.importorskip("aalpy")
    assert 0.8 < scored(Automaton(), parts)["auroc"] < 1.0
