"""The ablation and the study of use: that they compare what they say."""

import numpy as np
import pytest
from helpers.checks import fails_cleanly

from kmodels.core.spec.recipe import leaves
from kmodels.precip.recipe import PrecipRecipe
from kmodels.precip.studies import ablation, downscaler, usefulness


def test_the_ablation_goes_from_v3_to_the_default():
    found = {name: PrecipRecipe().with_changes(changes) for name, changes in ablation.recipes().items()}
    assert found["V3"] == PrecipRecipe().with_changes(PrecipRecipe.VARIANTS["v3"])
    assert found["all of them"] == PrecipRecipe()

    def differs(name):
        one, other = (found[k].model_dump() for k in ("V3", name))
        parts = [key.split(".") for key in leaves(PrecipRecipe)]
        return {".".join(p) for p in parts if len(p) == 2 and one[p[0]][p[1]] != other[p[0]][p[1]]}

    assert differs("no batch normalization") == {"model.norm"}
    assert differs("coarse rain kept") == {"model.keep_coarse"}
    assert differs("learned prior") == {"model.prior"}
    assert differs("ELBO's weight of the divergence") == {"train.beta"}
    assert differs("CRPS training") == {
        "model.noise",
        "model.injection",
        "model.height",
        "train.objective",
        *(f"train.lambda_{name}" for name in ("reconstruction", "mass", "gradient")),
    }


def test_csi_by_hand():
    """Two hits, one false alarm, one miss: 2 / 4."""
    predicted, seen = np.array([1, 1, 1, 0, 0], bool), np.array([1, 1, 0, 1, 0], bool)
    assert downscaler.csi(predicted, seen) == 0.5
    assert np.isnan(downscaler.csi(np.zeros(3, bool), np.zeros(3, bool)))


def test_the_downscaler_learns_from_the_sampled_fields():
    """Coarse rain that is the fine one's: learned from the truth; of sampled fields without rain nothing is."""
    rng = np.random.default_rng(0)
    coarse = rng.gamma(0.5, 10.0, (64, 3, 4)).astype("float32")
    rain = np.kron(coarse, np.ones((1, 2, 2), "float32"))
    x = {"state": coarse[..., None] / 10, "static": np.zeros((64, 6, 8, 3), "float32")}
    of = downscaler.Material(
        {"train": x, "test": x},
        {"train": rain, "test": rain},
        sampled=np.zeros((64, 2, 6, 8), "float32"),
        observed=np.ones((6, 8), bool),
        p99=10.0,
    )
    found = downscaler.study(of, seeds=1, share=1.0, epochs=10, progress=lambda *_: None)
    assert found["without"][0] > 0.5 and found["with"][0] < 0.1
    assert found["gain"] == pytest.approx(found["with"][0] - found["without"][0])


def test_a_verdict_by_hand():
    """Gains 1, 2, 3: mean 2, standard error 1 / sqrt(3), t of 2 degrees of freedom 4.303 and 1.061."""
    found = downscaler.verdict(np.array([1.0, 2.0, 3.0]))
    assert found["gain"] == 2 and found["standard_error"] == pytest.approx(3**-0.5)
    np.testing.assert_allclose(found["interval"], [2 - 4.3027 * 3**-0.5, 2 + 4.3027 * 3**-0.5], rtol=1e-4)
    assert found["detectable"] == pytest.approx((4.3027 + 1.0607) * 3**-0.5, rel=1e-4)
    assert found["verdict"] == "not significant"
    assert downscaler.verdict(np.array([1.0, 1.1, 0.9]))["verdict"] == "gain"
    assert downscaler.verdict(np.array([-1.0, -1.1]))["verdict"] == "loss"


@pytest.mark.parametrize(
    "words, said", [(["--share", "0"], "--share 0"), (["--members", "0"], "--members 0: 1 or more")]
)
def test_wrong_usage(words, said, capsys):
    fails_cleanly(capsys, usefulness.main(["--run", "nowhere", *words]), said)
    assert ablation.main(["--seeds", "0"]) == 2
