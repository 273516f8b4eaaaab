"""Baselines of the generator: the simulator itself, and token counts."""

import numpy as np

from kmodels.core.spec.task import Scores
from kmodels.nand.data.records import Trace
from kmodels.nand.generator.data.encode import END, Vocabulary, make_vocabulary, tokens
from kmodels.nand.generator.evaluation import sampling
from kmodels.nand.generator.evaluation.metrics import SampleEvaluator, is_valid
from kmodels.nand.generator.evaluation.prediction import SEED

UNSEEN = 0.01  # what every count begins with, so that nothing is impossible


def baselines(recipe, parts: dict[str, Trace]) -> dict[str, Scores]:
    """Score what needs no network.

    Parameters
    ----------
    recipe : GeneratorRecipe
        Of the run.
    parts : dict of str to Trace
        "train", "validation" and "test"; without "train" there are no baselines.

    Returns
    -------
    dict of str to Scores
        simulator: its own sequences, those of the validation part, as if they had been generated. unigram: tokens
        sampled as often as the training data has them. markov: each given the token before it.
    """
    if "train" not in parts:
        return {}
    data, model = recipe.data, recipe.model
    vocabulary = make_vocabulary(data, model.max_offset, model.max_hop)
    evaluator = SampleEvaluator(parts, data, vocabulary, recipe.seed)
    fresh = parts["validation"].take(is_valid(parts["validation"]))
    scores = {"simulator": evaluator.evaluate(fresh, fresh)}
    train, test = (tokens(parts[name].take(is_valid(parts[name])), data, vocabulary) for name in ("train", "test"))
    pairs = _count_pairs(train, vocabulary)
    single = np.broadcast_to(pairs.sum(axis=0), pairs.shape)
    for name, counts in (("unigram", single), ("markov", pairs)):
        log_p = np.log(counts / counts.sum(axis=1, keepdims=True))
        free, constrained = (_generate(log_p, recipe, vocabulary, masked) for masked in (False, True))
        nats = -np.where(test >= 0, log_p[_previous(test, vocabulary), test], 0.0).sum(axis=1)
        scores[name] = evaluator.evaluate(free, constrained, nats, (test >= 0).sum(axis=1))
    return scores


def _generate(log_p: np.ndarray, recipe, vocabulary: Vocabulary, constrained: bool) -> Trace:
    """Generate sequences by a table of ln p(token | token before)."""

    def language_model(size):
        return lambda token, history: log_p[token]

    return sampling.sample_sequences(
        language_model, recipe.model.samples, SEED, recipe.data, vocabulary, constrained=constrained
    )


def _previous(token: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """Give the token before each operation: (n, time)."""
    return np.concatenate([np.full((len(token), 1), vocabulary.start), token[:, :-1]], axis=1)


def _count_pairs(token: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """Count how often each token follows each, and start: (size + 1, size); UNSEEN where it never does."""
    real = token != END
    counts = np.full((vocabulary.size + 1, vocabulary.size), UNSEEN)
    np.add.at(counts, (_previous(token, vocabulary)[real], token[real]), 1)
    return counts
