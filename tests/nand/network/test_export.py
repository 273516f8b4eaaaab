"""Both networks of nand as a SavedModel: any number of sequences, of any length."""

import numpy as np
import pytest

from kmodels.core.training import backend
from kmodels.nand import NandClassifier, NandGenerator


@pytest.mark.skipif(backend.current() != "jax", reason="what tensorflow exports as it is, and torch never")
@pytest.mark.parametrize("kind", [NandClassifier, NandGenerator])
def test_a_network_exported_on_jax_predicts_the_same(kind, tmp_path):
    tensorflow = pytest.importorskip("tensorflow")
    network = kind(embedding=2, hidden=2)
    network.export(tmp_path / "net", verbose=False)
    exported = tensorflow.saved_model.load(str(tmp_path / "net"))  # held, or its variables are deleted
    shapes = {name: tuple(size or 5 for size in tensor.shape[1:]) for name, tensor in network.input.items()}
    x = {name: np.ones((2, *shape), network.input[name].dtype) for name, shape in shapes.items()}
    found, expected = exported.serve(x), network.predict(x, verbose=0)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-6)


@pytest.mark.skipif(backend.current() != "torch", reason="torch has no dictionaries of outputs")
def test_on_torch_it_says_where_it_is_exported(tmp_path):
    with pytest.raises(ValueError, match=r"^NandGenerator: .* on torch; save the model \(.keras\), load it on tensor"):
        NandGenerator(embedding=2, hidden=2).export(tmp_path / "net")
