"""Windows: which frames are which, what stands where, and that a data set need not fit into memory."""

import threading
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from helpers.plain_runs import RECIPE, plain_run

from kmodels.plume.data import cf_writer
from kmodels.plume.data import load as loader
from kmodels.plume.data import records as windows_module
from kmodels.plume.data.load import load
from kmodels.plume.data.run import Stacks, StoredRun


@pytest.fixture(scope="module")
def runs():
    return [plain_run("a"), plain_run("b", seed=3)]


@pytest.fixture(scope="module")
def windows(runs, tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "r.nc"
    cf_writer.write_runs(path, runs)
    return load(path, RECIPE)  # past 3, horizon 2, stride 1; runs of 8 frames


def test_the_past_ends_at_t_and_the_target_is_t_plus_horizon(runs, windows):
    """Window k of a run sees its frames k, k+1, k+2, so t = k + 2, and its target is frame k + 4."""
    assert len(windows) == 8 and windows.first.tolist() == [0, 1, 2, 3] * 2
    rows = [5, 0, 3]
    for n, (run, first) in enumerate([(runs[1], 1), (runs[0], 0), (runs[0], 3)]):
        np.testing.assert_array_equal(windows.past(rows)[n], run.concentration[first : first + 3])
        np.testing.assert_array_equal(windows.target(rows)[n], run.concentration[first + 4])
        np.testing.assert_array_equal(windows.target(rows, lead=1)[n], run.concentration[first + 3])
        np.testing.assert_array_equal(windows.future(rows, 2)[n], run.concentration[first + 3 : first + 5])
        wind = windows.wind(rows)[n]
        np.testing.assert_array_equal(wind[:, 0], run.u[first : first + 3].astype("float32"))
        np.testing.assert_array_equal(wind[:, 1], run.v[first : first + 3].astype("float32"))
    assert windows.past(rows).shape == (3, 3, 4, 6, 5) and windows.past(rows).dtype == np.float32
    assert windows.wind(rows).shape == (3, 3, 2, 4) and windows.target(rows).shape == (3, 4, 6, 5)


def test_the_last_window_uses_the_last_frame(runs, windows):
    np.testing.assert_array_equal(windows.target([3])[0], runs[0].concentration[-1])
    assert windows.leads.tolist() == [5, 4, 3, 2] * 2
    with pytest.raises(ValueError, match="a: asked for frames up to 8; the last is 7"):
        windows.target([3], lead=3)
    with pytest.raises(ValueError, match="up to 8; the last is 7"):
        windows.future([0], 6)


def test_take_and_groups(runs, windows):
    some = windows.take([6, 1])
    assert len(some) == 2 and some.groups.tolist() == ["b", "a"]
    np.testing.assert_array_equal(some.past([1])[0], runs[0].concentration[1:4])
    assert windows.take(windows.groups == "b").first.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(some.past(slice(None)), windows.past([6, 1]))


def test_times(windows):
    start = np.datetime64("2000-01-01T00:00")
    assert (windows.start_time[:4] - start).astype("timedelta64[s]").astype(int).tolist() == [0, 60, 120, 180]
    assert (windows.reference_time - windows.start_time == np.timedelta64(120, "s")).all()


def test_stride(runs, tmp_path):
    cf_writer.write_run(tmp_path / "r.nc", runs[0])
    assert load(tmp_path, RECIPE.with_changes({"data": {"stride": 3}})).first.tolist() == [0, 3]


def stored(stacks, terrain=None, **changes) -> StoredRun:
    """A run that is asked for its maps only; cells of 100 x 100 x 10 m, 4 levels."""
    run = plain_run()
    axes = {"x": run.x, "y": run.y, "z": run.z}
    given = dict(name="a", file=None, start=None, time=run.time, units="kg m-3", factor=1.0, variable="c")
    terrain = np.zeros((6, 5)) if terrain is None else terrain
    run = StoredRun(**given, **axes, terrain=terrain, stacks=Stacks(*np.array(stacks).T), frames_as_stored=None)
    return replace(run, **changes)


def test_sources_stand_in_the_cell_at_their_stack_height():
    #          x    y    height  emission
    stacks = [(120, 250, 11.0, 2.0), (180, 210, 19.0, 6.0), (499, 0, 25.0, 5.0)]
    maps = stored(stacks).maps()
    assert np.argwhere(maps.source_emission).tolist() == [[1, 2, 1], [2, 0, 4]]
    # two stacks share a cell: rates add, the height is (2 * 11 + 6 * 19) / 8
    assert maps.source_emission[1, 2, 1] == 8.0 and maps.source_height[1, 2, 1] == 17.0
    assert maps.source_emission[2, 0, 4] == 5.0 and maps.source_height[2, 0, 4] == 25.0
    assert (maps.source_height > 0).sum() == 2


def test_a_stack_stands_on_its_terrain():
    terrain = np.zeros((6, 5))
    terrain[2, 1] = 18.0
    one = [(120, 250, 11.0, 2.0)]
    assert np.argwhere(stored(one, terrain).maps().source_emission).tolist() == [[2, 2, 1]]  # 18 + 11 m
    assert stored(one, terrain).maps().below_ground[:, 2, 1].tolist() == [True, True, False, False]
    low = [(120, 250, 1.0, 2.0)]  # 19 m: the cell 10..20 m counts as ground, its centre lies below 18 m
    assert np.argwhere(stored(low, terrain).maps().source_emission).tolist() == [[2, 2, 1]]
    high = [(120, 250, 300.0, 2.0)]
    assert np.argwhere(stored(high, terrain).maps().source_emission).tolist() == [[3, 2, 1]]
    follows = stored(one, terrain, follows_terrain=True).maps()
    assert np.argwhere(follows.source_emission).tolist() == [[1, 2, 1]] and not follows.below_ground.any()


def test_maps_belong_to_the_windows_run(runs, windows):
    maps = windows.maps([5, 0])
    for n, run in enumerate([runs[1], runs[0]]):
        np.testing.assert_array_equal(maps.terrain[n], run.terrain.astype("float32"))
        np.testing.assert_array_equal(maps.below_ground[n], run.below_ground())
    assert maps.source_emission.shape == (2, 4, 6, 5) and np.isclose(maps.source_emission[0].sum(), 7e-3)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Two files of 10 MB of concentrations each."""
    folder = tmp_path_factory.mktemp("large")
    for name in "ab":
        cf_writer.write_run(folder / f"{name}.nc", plain_run(name, frames=40, shape=(16, 64, 60)))
    return folder


def peak(work) -> int:
    """The most bytes that Python and NumPy hold while `work` runs."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_data_set_larger_than_memory_streams(large, monkeypatch):
    """Checked, shuffled and read to the end within a third of a file; with room to keep runs it takes them all."""
    monkeypatch.setattr(loader, "BLOCK_BYTES", 1 << 20)
    monkeypatch.setattr(windows_module, "PART_BYTES", 1 << 20)
    frames_of_a_file = 40 * 16 * 64 * 60 * 4

    def epoch():
        windows = load(large, RECIPE.with_changes({"data": {"stride": 10}}))
        for row in np.random.default_rng(0).permutation(len(windows)):
            windows.past([row])
            windows.target([row])

    monkeypatch.setattr(windows_module, "CACHE_BYTES", 0)
    assert peak(epoch) < frames_of_a_file / 3
    monkeypatch.setattr(windows_module, "CACHE_BYTES", 4 * frames_of_a_file)
    assert peak(epoch) > 2 * frames_of_a_file


def test_runs_are_read_once_whether_there_is_room_or_not(windows):
    class Counted:
        reads = 0

        def __init__(self, frames):
            self.frames = frames

        def __call__(self, first, stop):
            Counted.reads += 1
            return self.frames(first, stop)

    runs = tuple(replace(run, frames_as_stored=Counted(run.frames_as_stored)) for run in windows.runs)
    rows = np.arange(8)
    expected = windows.past(rows)
    for room in (2, 1, 0):
        Counted.reads = 0
        some = replace(windows, runs=runs, cache=windows_module.RunCache(room * runs[0].nbytes))
        for _ in range(2):
            np.testing.assert_array_equal(some.past(rows), expected)
        assert Counted.reads == 2


@pytest.mark.parametrize("room", [0, 1 << 30])
def test_threads_read_the_same(windows, room):
    some = replace(windows, cache=windows_module.RunCache(room))
    expected, wrong = windows.past(np.arange(8)), []

    def read(seed):
        for k in np.random.default_rng(seed).permutation(8):
            if not np.array_equal(some.past([k])[0], expected[k]):
                wrong.append(k)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
