"""Did you mean: the nearest name, or none."""

from kmodels.core.spec.suggest import did_you_mean, did_you_mean_key, nearest, nearest_key

KEYS = ["train.epochs", "train.lr", "model.width", "data.width"]


def test_the_nearest_name_and_none_where_none_is_alike():
    assert nearest("nnad", ["nand", "plume"]) == "nand"
    assert nearest("zebra", ["nand", "plume"]) is None and nearest("nand", []) is None
    assert did_you_mean("grat", ["mse", "grad"]) == "; did you mean grad?"
    assert did_you_mean("slot", ["slots"], quoted=True) == "; did you mean 'slots'?"
    assert did_you_mean("zebra", ["nand"]) == ""


def test_the_nearest_key_is_in_the_same_section_if_it_can_be():
    assert nearest_key("train.epoch", KEYS) == "train.epochs"
    assert nearest_key("data.widht", KEYS) == "data.width" and nearest_key("model.widht", KEYS) == "model.width"
    assert nearest_key("other.widht", KEYS) in ("model.width", "data.width")
    assert nearest_key("train.zebra", KEYS) is None and nearest_key("a.b", []) is None
    assert nearest_key("bs", ["data.base", "train.batch_size"]) == "train.batch_size", "first letters"
    assert nearest_key("batch", ["data.blocks", "train.batch_size"]) == "train.batch_size", "cut short"
    assert did_you_mean_key("epoch", KEYS) == "; did you mean train.epochs?" and did_you_mean_key("q", KEYS) == ""
