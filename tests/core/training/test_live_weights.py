"""Loss weights from a file: good edits are taken up, bad ones refused with a line, and a resumed run knows them."""

from types import SimpleNamespace

import pytest

from kmodels.core.spec.errors import UserError
from kmodels.core.training import callbacks
from kmodels.core.training.live_weights import FILE, weights

NAMES = ["mse", "grad"]


class _Weight:
    value = 1.0

    def assign(self, value):
        self.value = value


@pytest.mark.parametrize(
    "text, said",
    [
        ("grat: 2", r"weights\.yaml:1: no such loss term: grat; there are mse, grad; did you mean grad\?"),
        ("mse: 1\ngrad: -2", r"weights\.yaml:2: grad = -2; expected a finite number, 0 or more"),
        ("mse: .nan", r"weights\.yaml:1: mse = nan"),
        ("mse: yes", r"mse = True"),
        ("mse: {a: 1}", r"mse = \{'a': 1\}"),
        ("[1, 2]", r"a recipe is a mapping"),
        ("mse: [", r"not valid YAML"),
    ],
)
def test_what_cannot_be_a_weight_is_refused(tmp_path, text, said):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(UserError, match=said):
        weights(tmp_path / FILE, NAMES)


def test_an_edit_is_taken_up_a_bad_one_leaves_the_old_weights(tmp_path, capsys):
    state = SimpleNamespace(run=SimpleNamespace(path=tmp_path), edit={})
    live = callbacks.LiveWeights(state)
    live.set_model(SimpleNamespace(term_weights={name: _Weight() for name in NAMES}))

    def epoch_end(text):
        (tmp_path / FILE).write_text(text)
        live.on_epoch_end(0)
        live.on_epoch_begin(1)
        return [live.model.term_weights[name].value for name in NAMES]

    live.on_epoch_end(0)
    assert state.edit == {} and capsys.readouterr().out == ""
    assert epoch_end("mse: 4\ngrad: 1e-2") == [4.0, 0.01]
    assert "mse 4, grad 0.01" in capsys.readouterr().out
    assert epoch_end("mse: 5\ngrad: -1") == [4.0, 0.01]
    assert "refused, the loss weights stay as they are" in capsys.readouterr().out
    assert epoch_end("mse: 6") == [6.0, 0.01]
    (tmp_path / FILE).unlink()
    live.on_epoch_end(0)
    assert state.edit == {}
