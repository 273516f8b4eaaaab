"""The network, what it is given, what it is trained on, and what is sampled from it."""

import numpy as np
import pytest
from helpers.small_days import RECIPE_SMALL, written
from keras import ops

from kmodels.core.cli import parse
from kmodels.core.io import rows as stored
from kmodels.core.io.netcdf import opened
from kmodels.core.report import tables
from kmodels.core.spec.errors import UserError
from kmodels.core.training import inference
from kmodels.precip.data import encode, load, statistics
from kmodels.precip.evaluation import sampling
from kmodels.precip.evaluation.sampler import LAWS, Sampler
from kmodels.precip.ladder import LADDER
from kmodels.precip.network import losses, training
from kmodels.precip.network.layers import FreshNoise
from kmodels.precip.simulator.weather import block_mean
from kmodels.precip.task import TASK

SMALL = RECIPE_SMALL.with_changes(
    {
        "model": {"base_filters": 2, "d_z": 4, "rain_pool": 2, "rain_hidden": 8, "decoder_hidden": 8, "noise": 1},
        "train": {"beta_warmup_epochs": 4},
    }
)
BARE = {"noise": 0, "prior": "standard", "injection": "none"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return written(tmp_path_factory.mktemp("days"), SMALL)


@pytest.fixture(scope="module")
def days(folder):
    return load.load(folder, SMALL)


@pytest.fixture(scope="module")
def network(days):
    made = training.build(SMALL, 10)
    training.adapt(made, days)
    return made


@pytest.fixture(scope="module")
def sampler(network, days):
    outputs = inference.predict(network, encode.encode(days, SMALL), 12)
    return Sampler.of(network, days, outputs, 5)


def numbers(tensor):
    return ops.convert_to_numpy(tensor)


# -- what it is given -----------------------------------------------------------------------------------------


def test_inputs_and_targets(days):
    inputs, targets = encode.encode(days, SMALL).take(np.array([2, 0]))
    np.testing.assert_array_equal(inputs["rain"], days.rain(np.array([2, 0])))
    np.testing.assert_allclose(np.expm1(inputs["state"][..., 0]), days.state([2, 0])[..., 0], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(inputs["static"][1, ..., 0], days.domain.land)
    assert inputs["noise_z"].shape == (2, 4, 4) and inputs["noise_2"].shape == (2, 4, 8, 6, 1)
    again, _ = encode.encode(days.take(np.array([2])), SMALL).take(np.array([0]))
    np.testing.assert_array_equal(again["noise_1"][0], inputs["noise_1"][0], "a day's noise is its own")
    assert set(targets) == {"rain", "observed"}
    blank, _ = encode.training_examples(days, SMALL).take(np.array([2, 0]))
    assert {n: v.shape for n, v in blank.items()} == {n: v.shape for n, v in inputs.items()}
    assert not blank["noise_2"].any(), "training samples its own"


def test_statistics_of_the_training_days(days):
    found = statistics.compute_statistics(days, encode.states(days, np.arange(12)), SMALL.train, 0.95)
    logs = np.log1p(days.rain(np.arange(12)).astype("float64"))
    np.testing.assert_allclose(found.rain_mean, logs.mean(0), rtol=1e-6)
    np.testing.assert_allclose(found.rain_sd, np.where(logs.std(0) < 0.05, 1, logs.std(0)), rtol=1e-5)
    assert found.p99 == pytest.approx(np.quantile(days.rain(np.arange(12)), 0.99))
    assert found.heavy == pytest.approx(np.quantile(days.land_mean, 0.95))


def test_weights_of_errors():
    train = SMALL.train
    found = statistics.weights(np.array([0.0, 11.7, 23.4, 200.0]), train, tail=100.0)
    np.testing.assert_allclose(found, [0.1, 1.0, 2.0, 10.0 * 5.0])


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5])
def test_every_batch_has_its_share_of_heavy_days(days, share):
    heavy = np.zeros(40, bool)
    heavy[:12] = True
    examples = encode.StratifiedExamples(None, heavy, share)
    for rows in np.random.default_rng(0).permutation(40).reshape(5, 8):
        found = examples.stratified(rows)
        assert heavy[found].mean() >= share and heavy[found].sum() >= heavy[rows].sum()
        kept = found == rows
        assert heavy[rows[~kept]].sum() == 0, "no heavy day is given away"
        np.testing.assert_array_equal(found, examples.stratified(rows), "a pure function of the batch")


# -- what it is trained on ------------------------------------------------------------------------------------


def test_kl_by_hand():
    """KL(N(1, 4) || N(0, 1)) = (4 + 1 - 1 - ln 4) / 2; of a law to itself 0."""
    arrays = [np.array([[v]], "float32") for v in (1.0, np.log(4.0), 0.0, 0.0)]
    assert numbers(losses.kl_divergence(*arrays))[0, 0] == pytest.approx((4 - np.log(4)) / 2)
    assert numbers(losses.kl_divergence(*arrays[:2], *arrays[:2]))[0, 0] == pytest.approx(0.0, abs=1e-6)


def test_weighted_error_by_hand():
    """Errors of 1 in two cells; weights 0.1 (dry) and 2 x 5 (23.4 mm/day, in the tail); mean weight 2."""
    truth = np.array([[[0.0, 23.4, 50.0]]], "float32")
    observed = np.array([[[1.0, 1.0, 0.0]]], "float32")
    found = losses.weighted_error(truth, truth + 1, observed, 20.0, 2.0, SMALL.train)
    assert numbers(found)[0] == pytest.approx((0.1 + 10.0) / 2 / 2.0, rel=1e-5)


@pytest.mark.parametrize("fairness, method", [(1.0, "fair"), (0.0, "ecdf")])
def test_the_crps_is_that_of_the_library(fairness, method):
    import xarray as xr
    from scores.probability import crps_for_ensemble

    rng = np.random.default_rng(0)
    members, truth = rng.gamma(1, 5, (3, 4, 7)).astype("float32"), rng.gamma(1, 5, (3, 7)).astype("float32")
    arrays = xr.DataArray(members, dims=("n", "m", "c")), xr.DataArray(truth, dims=("n", "c"))
    expected = crps_for_ensemble(*arrays, "m", method=method, preserve_dims=("n", "c"))
    np.testing.assert_allclose(numbers(losses.fair_crps(members, truth, fairness)), expected, rtol=1e-4, atol=1e-4)


def test_an_almost_fair_score_moves_a_member_that_stands_alone():
    """One of two at the truth of 3, the other 4 away: 2 - 2 if fair, 2 - (1 - 0.05 / 2) 2 with fairness 0.95."""
    members, truth = np.array([[[3.0], [7.0]]], "float32"), np.array([[3.0]], "float32")
    assert numbers(losses.fair_crps(members, truth))[0, 0] == 0
    assert numbers(losses.fair_crps(members, truth, 0.95))[0, 0] == pytest.approx(0.05)


def test_a_score_of_whether_it_rains():
    """0.1 mm/day is half wet; heavy rain is as wet as more of it. The terms are there where they have a weight."""
    np.testing.assert_allclose(losses.wetness(np.array([0.0, 0.1, 1e4])), [0.0, 0.5, 1.0], atol=1e-4)
    network = training.build(SMALL.with_changes({"train": {"wet_crps": 0.5}}), 1)
    weights = {name: float(value) for name, value in network.term_weights.items() if name.endswith("wet_crps")}
    assert weights == {"wet_crps": 2.5, "posterior_wet_crps": 0.75}


def test_the_score_tells_showers_from_noise():
    """Fields of the right amounts in every cell: better where neighbours belong together as in the truth."""
    rng = np.random.default_rng(0)

    def showers(n):
        return np.kron(rng.gamma(0.5, 8.0, (n, 1, 4, 4)), np.ones((4, 4))).astype("float32")

    truth, alike = showers(200)[:, 0], np.concatenate([showers(200), showers(200)], axis=1)
    noise = rng.permuted(alike.reshape(200, 2, -1), axis=2).reshape(alike.shape)
    observed = np.ones_like(truth)
    by_cell, by_all = (
        [numbers(losses.ensemble_score(x, truth, observed, s)).mean() for x in (alike, noise)]
        for s in ((1,), (1, 2, 4))
    )
    cells = [numbers(losses.fair_crps(x, truth)).mean() for x in (alike, noise)]
    assert cells[1] == pytest.approx(cells[0], rel=0.05), "cell by cell there is no difference"
    assert by_all[1] > 1.1 * by_all[0] and by_cell[1] > by_cell[0]


def test_terms_and_their_weights(network, days):
    scores = {"crps", "log_crps", "posterior_crps", "posterior_log_crps"}
    assert set(network.term_weights) == {"reconstruction", "mass", "gradient", "kl"} | scores
    inputs, targets = inference.as_tensors(encode.encode(days, SMALL).take(np.arange(4)))
    outputs = network(inputs)
    values = {name: numbers(value) for name, value in network.terms(inputs, targets, outputs).items()}
    error = numbers(outputs["posterior"])[:, 0] - numbers(targets["rain"])
    land = days.domain.land & days.domain.observed
    np.testing.assert_allclose(values["mass"], np.abs(error[:, land].sum(1)), rtol=1e-3, atol=1e-3)
    cells = days.domain.observed.sum()
    kl = numbers(network.kl(outputs)).sum(1)
    scored = ("reconstruction", "posterior_crps", "posterior_log_crps")
    own = sum(float(network.term_weights[name]) * values[name] for name in scored)
    np.testing.assert_allclose(values["kl"], kl * own / cells, rtol=1e-4, err_msg="the noise's laws begin as N(0, 1)")


def test_the_weight_of_the_divergence_rises(network):
    expected = [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    for epoch, share in enumerate(expected):
        training.schedule(network, SMALL, epoch)
        found = float(network.term_weights["kl"])
        assert found == pytest.approx(share, abs=1e-7)
    fixed = SMALL.with_changes({"train": {"beta": "fixed", "beta_kl": 0.03, "beta_warmup_epochs": 0}})
    training.schedule(network, fixed, 0)
    assert float(network.term_weights["kl"]) == pytest.approx(0.03)


# -- the network ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("injection, sees", [("none", ()), ("first", (0,)), ("first_two", (0, 1)), ("all", (0, 1, 2))])
def test_blocks_that_see_the_coarse_map(injection, sees):
    recipe = SMALL.with_changes({"model": {"injection": injection, "noise": 0, "height": False}})
    decoder = training.build(recipe, 1).decoder
    before = {0: 16, 1: 8, 2: 4}  # channels from the block before, base_filters 2
    for block, channels in before.items():
        wide = decoder.get_layer(f"block_{block}").kernel.shape[2] - channels
        assert wide == (recipe.model.injected_filters if block in sees else 0)


def test_a_standard_prior_and_a_learned_one(days, sampler):
    assert np.abs(sampler.code["prior_mean"]).max() > 0
    recipe = SMALL.with_changes({"model": BARE, "train": {"objective": "elbo"}})
    bare = training.build(recipe, 1)
    outputs = inference.predict(bare, encode.encode(days, recipe), 12)
    assert (outputs["prior_mean"] == 0).all() and (outputs["prior_log_variance"] == 0).all()
    assert "prior" not in outputs and "map" not in outputs


def test_the_decoder_sees_where_mountains_are(days, network):
    """Fields change with the height of the land; a network that is not to see it does not ask for it."""
    inputs, _ = inference.as_tensors(encode.encode(days, SMALL).take(np.arange(4)))
    mountains = inputs["static"] + np.array([0.0, 0.0, 1.0], "float32") * np.eye(8, 6, dtype="float32")[..., None]
    flat, high = (numbers(network(inputs | {"static": one})["prior"]) for one in (inputs["static"], mountains))
    assert np.abs(flat - high).max() > 1e-3
    recipe = SMALL.with_changes({"model": {"height": False}})
    assert training.build(recipe, 1).input["static"].shape[-1] == 2
    assert encode.encode(days, recipe).take([0])[0]["static"].shape[-1] == 2


def test_odd_grids():
    recipe = SMALL.with_changes({"model": BARE, "data": {"grid": {"ny": 15, "nx": 9, "block": 3}}})
    assert training.build(recipe, 1).outputs[0] is not None
    assert encode.block_sizes((156, 132)) == [(20, 17), (39, 33), (78, 66), (156, 132)], "as in the prototype"


@pytest.mark.parametrize("ny, nx", [(8, 6), (24, 16)])  # in the larger grid the rain's maps are pooled
def test_the_pytorch_reference_agrees(ny, nx, tmp_path):
    """The same weights and noise: fields, latent laws and the loss to 1e-4 of their size."""
    torch = pytest.importorskip("torch")
    from kmodels.benchmarks.torch_reference.precip import TorchPrecip, channels_first

    recipe = SMALL.with_changes({"data": {"grid": {"ny": ny, "nx": nx}}})
    days, network = load.load(written(tmp_path / "days", recipe), recipe), training.build(recipe, 10)
    training.adapt(network, days)
    inputs, targets = encode.encode(days, recipe).take(np.arange(6))
    reference = TorchPrecip(recipe, inputs["state"].shape[-1], network.training_statistics().arrays()).eval()
    reference.load({"/".join(v.path.split("/")[-2:]): numbers(v) for v in network.variables})
    given = channels_first({name: torch.tensor(array) for name, array in inputs.items()})
    known = *(torch.tensor(targets[name]) for name in ("rain", "observed")), given[2][:, 0]
    with torch.no_grad():
        fields, laws = reference(*given)
        loss = reference.loss(fields, laws, *known, {n: float(w) for n, w in network.term_weights.items()})
    tensors = inference.as_tensors((inputs, targets))
    outputs = network(tensors[0])
    for name, array in fields.items():
        np.testing.assert_allclose(numbers(outputs[name]), array.numpy(), rtol=1e-4, atol=1e-4, err_msg=name)
    for prefix, name in (("", "posterior"), ("prior_", "prior")):
        for part, array in zip(("mean", "log_variance"), laws[name], strict=True):
            np.testing.assert_allclose(numbers(outputs[prefix + part]), array.numpy(), atol=1e-4, err_msg=name)
    assert float(network.compute_loss(*tensors, outputs)) == pytest.approx(float(loss), rel=1e-4)


@pytest.fixture(scope="module")
def wide_awake(days):
    """A network whose laws of the blocks' noise are not N(0, 1)."""
    made, rng = training.build(SMALL, 10), np.random.default_rng(0)
    training.adapt(made, days)
    for variable in made.coder.trainable_variables:
        if "block_" in variable.path:
            variable.assign(0.5 * rng.standard_normal(variable.shape))
    return made


def test_noise_with_a_posterior(days, wide_awake):
    """Of all blocks: another day's is another field, and prior fields do not know the rain."""
    inputs, _ = encode.encode(days, SMALL).take(np.arange(12))
    outputs = {name: numbers(value) for name, value in wide_awake(inference.as_tensors(inputs)).items()}
    assert [outputs[f"mean_{k}"].shape for k in range(3)] == [(12, 2, 2, 1), (12, 4, 3, 1), (12, 8, 6, 1)]
    expected = sum(
        0.5 * (np.exp(log) + mean**2 - 1 - log).sum((1, 2, 3))
        for mean, log in ((outputs[f"mean_{k}"], outputs[f"log_variance_{k}"]) for k in range(3))
    )
    np.testing.assert_allclose(numbers(wide_awake.map_kl(outputs)), expected, rtol=1e-4)
    posterior = sampling.sampler_of(wide_awake, days, SMALL, 2, mode="posterior")
    assert sampling.with_statistics(posterior).statistics.map_kl == pytest.approx(expected.mean(), rel=1e-4)
    shuffled = sampling.with_shuffled_code(posterior)
    assert np.abs(posterior.fields([1]) - shuffled.fields([1])).max() > 0.1
    dry = {name: np.zeros_like(value) if name == "rain" else value for name, value in inputs.items()}
    prior = [numbers(wide_awake(inference.as_tensors(given))["prior"]) for given in (inputs, dry)]
    np.testing.assert_array_equal(*prior)


def test_another_days_latents_are_read_from_disk(days, wide_awake, monkeypatch):
    """Of many days they are larger than memory: no whole array of them is made."""
    usual = sampling.with_shuffled_code(sampling.sampler_of(wide_awake, days, SMALL, 2))
    monkeypatch.setenv(stored.VARIABLE, "0")
    sampler = sampling.sampler_of(wide_awake, days, SMALL, 2)
    shuffled = sampling.with_shuffled_code(sampler)
    latent = [name for name in LAWS if name in shuffled.code]
    assert len(latent) == 8 and all(isinstance(shuffled.code[name], stored.Chosen) for name in latent)
    assert all(stored.is_on_disk(values) for values in sampler.code.values())
    np.testing.assert_array_equal(shuffled.fields([0, 3]), usual.fields([0, 3]))


def test_noise_is_new_in_training_and_given_otherwise():
    layer, given = FreshNoise(3), np.zeros((200, 4), "float32")
    np.testing.assert_array_equal(numbers(layer(given)), given)
    one, two = (numbers(layer(given, training=True)) for _ in range(2))
    assert np.abs(one - two).max() > 0 and one.std() == pytest.approx(1, abs=0.1)


# -- what is sampled --------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_fields(sampler):
    fields = sampler.fields([3, 1])
    assert fields.shape == (2, 5, 8, 6) and fields.dtype == "float32"
    np.testing.assert_array_equal(sampler.fields([1])[0], fields[1], "whatever days are sampled with it")
    np.testing.assert_allclose(sampler.replace(members=2).fields([3])[0], fields[0, :2], rtol=1e-5, atol=1e-5)
    assert (sampler.replace(seed=1).fields([3])[0] != fields[0]).any()
    assert (sampler.replace(mode="posterior").fields([3])[0] != fields[0]).any()
    assert ((fields == 0) | (fields >= 0.1)).all()


def test_the_sampler_decodes_what_the_network_does(network, days, sampler):
    """Given the same noise, samples are the network's own outputs, less what is below 0.1 mm/day."""
    inputs, _ = encode.encode(days, SMALL).take(np.array([0]))
    outputs = numbers(network(inference.as_tensors(inputs))["posterior"])[0, 0]
    noise = {name: value[:, 0] for name, value in inputs.items() if name.startswith("noise_")}
    found = sampler.replace(mode="posterior")._batch(np.array([0]), noise)[0]
    np.testing.assert_allclose(found, np.where(outputs < 0.1, 0, outputs), atol=1e-3)


def test_temperature_0_gives_the_latent_mean(days):
    recipe = SMALL.with_changes({"model": {"noise": 0}})
    bare = training.build(recipe, 1)
    outputs = inference.predict(bare, encode.encode(days, recipe), 12)
    cold = Sampler.of(bare, days, outputs, 3, temperature=0.0).fields([0])[0]
    np.testing.assert_array_equal(cold[0], cold[1])


def test_kl_of_the_report_is_that_of_the_loss(network, days, sampler):
    inputs, _ = inference.as_tensors(encode.encode(days, SMALL).take(np.arange(12)))
    expected = numbers(network.kl(network(inputs))).mean(0)
    found = sampling.with_statistics(sampler).statistics.kl_by_dimension
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_an_ensemble_as_cf_netcdf(network, days, tmp_path, sampler):
    listed = tmp_path / "days.txt"
    listed.write_text("2001-01-04\n\n2001-01-02\n")
    made = sampling.sample(network, days, SMALL, members=5, days=f"file:{listed}")
    made.write(tmp_path / "ensemble.nc")
    with opened(tmp_path / "ensemble.nc") as data:
        rain = data["pr"].values.swapaxes(0, 1) * 86400
        assert data["pr"].dims == ("realization", "time", "lat", "lon") and data["pr"].attrs["units"] == "kg m-2 s-1"
        np.testing.assert_array_equal(data["time"].values, [3.5, 1.5])
    np.testing.assert_allclose(rain, sampler.fields([3, 1]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "options, said",
    [
        ({"members": 0}, "--members 0: 1 or more"),
        ({"temperature": float("nan")}, "--temperature nan: a finite number"),
        ({"days": "wet"}, "--days wet: all, heavy, or file:F"),
        ({"days": "file:nowhere"}, "nowhere: no such file"),
    ],
)
def test_wrong_requests(network, days, options, said):
    with pytest.raises(UserError, match=said):
        sampling.sample(network, days, SMALL, **options)


def test_heavy_days_are_those_of_the_training_days_threshold(network, days):
    made = sampling.sample(network, days, SMALL, members=2, days="heavy", mode="posterior")
    np.testing.assert_array_equal(
        made.days.land_mean, days.land_mean[days.land_mean > network.training_statistics().heavy]
    )


def test_the_temperature_of_the_recipe_is_that_of_the_prior_and_of_no_posterior(network, days):
    bold = SMALL.with_changes({"model": {"temperature": 1.4}})
    found, plain = (TASK.predict(network, days, recipe).statistics for recipe in (bold, SMALL))
    assert (found.prior.each["crps"] != plain.prior.each["crps"]).any()
    np.testing.assert_array_equal(found.posterior.each["crps"], plain.posterior.each["crps"])
    for options, expected in (({}, 1.4), ({"mode": "posterior"}, 1.0), ({"temperature": 0.5}, 0.5)):
        assert sampling.sample(network, days, bold, members=2, **options).temperature == expected


@pytest.mark.parametrize(
    "epochs, every, most, done, expected",
    [
        (5, 10, 5, 5, {1, 2, 3, 4, 5}),
        (300, 10, 5, 25, {10, 20}),
        (300, 10, 5, 300, {260, 270, 280, 290, 300}),
        (300, 10, 30, 300, set(range(10, 301, 10))),
        (12, 10, 5, 12, {4, 6, 8, 10, 12}),
        (300, 10, 0, 300, set()),
    ],
)
def test_checkpoints_are_kept_and_bounded(epochs, every, most, done, expected):
    """The prototype's every tenth epoch; more often in a short training; never more than the bound."""
    train = SMALL.train.model_copy(
        update={"epochs": epochs, "checkpoint_epochs": every, "checkpoints": most, "patience": 0}
    )
    assert train.kept_epochs(done) == expected
    for before in range(1, done):  # what is kept later was never dropped
        assert {k for k in train.kept_epochs(before + 1) if k <= before} <= train.kept_epochs(before)


def test_the_options_of_the_prototype_stand_beside_the_way_up():
    """Each changes one field of V3; V4 goes on from V3 itself, and is compared with it."""
    v3, v4 = LADDER.index("V3: coarse map first"), LADDER.index("V4: learned prior")
    flat = [tables.flat(LADDER.recipe(type(SMALL)(), k).model_dump(mode="json")) for k in range(v4 + 1)]
    changed = [{key: value for key, value in flat[k].items() if value != flat[v3][key]} for k in range(v3 + 1, v4)]
    assert changed == [
        {"train.beta_kl": 0.005},
        {"model.d_z": 256},
        {"model.injection": "first_two"},
        {"model.temperature": 1.2},
        {"model.temperature": 1.4},
    ]
    assert [LADDER.compared_with(k) for k in range(v3 + 1, v4 + 1)] == [v3] * (v4 - v3)
    assert flat[v4] == flat[v3] | {"model.prior": "learned", "train.beta": "elbo"}


def test_the_configurations_are_recipes():
    from helpers.checks import ROOT

    full = parse.resolve(type(SMALL), [parse.read_yaml(ROOT / "configs" / "precip_full.yaml")])
    assert full.data.grid.fine == (156, 132) and full.model.d_z == 128 and full.model.base_filters == 96
    assert parse.resolve(type(SMALL), [parse.read_yaml(ROOT / "configs" / "precip.yaml")]) == type(SMALL)()


def test_sampled_fields_have_the_coarse_rain(network, days, sampler):
    """To what is less than 0.1 mm/day in a cell, and so none; dry blocks are dry."""
    fields = sampler.fields([3, 1])
    means = block_mean(fields, SMALL.data.grid.block)
    coarse = days.state([3, 1])[:, None, ..., 0]
    np.testing.assert_allclose(means, np.broadcast_to(coarse, means.shape), atol=0.1, rtol=1e-4)
    assert (means[np.broadcast_to(coarse == 0, means.shape)] == 0).all()
    recipe = SMALL.with_changes({"model": {"keep_coarse": False}})
    assert "coarse" not in sampling.sampler_of(training.build(recipe, 1), days, recipe, 1).code
