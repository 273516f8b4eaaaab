"""What networks are trained on is what it was: simulated files, read and encoded, have the fingerprints on record.

The code that reads files is no part of the hash that a headline carries (see `provenance.code_of`), so that it can be
taught another laboratory's format without training anew; a change of it that alters simulated data fails here.
`python tests/test_simulated_data.py` writes the record.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from kmodels.core.runs import user_data
from kmodels.core.spec import registry

RECORD = Path(__file__).parent / "fixtures" / "simulated_data.json"
ROWS = 12


def fingerprints(name: str, folder: Path) -> dict[str, list]:
    """{array: [shape, norm, share of it in a random direction]} of a smoke recipe's first rows and split."""
    recipe = registry.recipe_type(name)().with_changes(registry.recipe_type(name).SMOKE)
    registry.simulator(name)(recipe, folder, lambda done, total: None)
    records = user_data.load(recipe, folder)
    inputs, targets = registry.task(name).training_examples(records, recipe).take(np.arange(ROWS))
    # A backend computes few_orders, to the last bits in its own way: it is compared with the solver in its tests.
    arrays = {f"inputs/{key}": value for key, value in inputs.items() if key != "few_orders"}
    arrays |= {f"targets/{key}": value for key, value in targets.items()}
    arrays |= {f"rows/{part}": rows for part, rows in user_data.split(recipe, records, folder).items()}
    return {key: _fingerprint(np.asarray(value, "float64")) for key, value in sorted(arrays.items())}


def _fingerprint(values: np.ndarray) -> list:
    norm = float(np.linalg.norm(values))
    direction = np.random.default_rng(0).standard_normal(values.size)
    return [list(values.shape), norm, float(direction @ values.ravel()) / norm if norm else 0.0]


@pytest.mark.parametrize("name", registry.NAMES)
def test_simulated_files_are_read_and_encoded_as_ever(name, tmp_path):
    found, expected = fingerprints(name, tmp_path), json.loads(RECORD.read_text())[name]
    assert found.keys() == expected.keys()
    for key, (shape, norm, share) in found.items():
        assert shape == expected[key][0], key
        np.testing.assert_allclose([norm, share], expected[key][1:], rtol=1e-6, atol=1e-6, err_msg=key)


def test_a_fingerprint_tells_one_changed_number():
    values = np.random.default_rng(1).random((4, 30))
    changed = values.copy()
    changed[2, 7] += 1e-3
    assert abs(_fingerprint(values)[2] - _fingerprint(changed)[2]) > 1e-6


def main() -> None:
    """Write the record."""
    found = {}
    for name in registry.NAMES:
        with tempfile.TemporaryDirectory() as folder:
            found[name] = fingerprints(name, Path(folder))
    RECORD.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
