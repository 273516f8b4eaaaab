"""Pictures as a page holds them."""

import io

from matplotlib.animation import FuncAnimation, PillowWriter

from kmodels.core.report import figures


def picture(title="a", **size):
    made, axes = figures.figure(**size)
    axes.plot([1, 2, 3])
    return figures.Picture(title, figures.png(made))


def test_a_picture_is_wide_by_its_own_shape():
    assert picture(width=6, height=4).size == (600, 400)
    assert not picture(width=6, height=4).is_wide
    assert picture(width=9, height=5).is_wide, "shrunk to half a page its labels are too small"
    assert picture(width=6, height=2.5).is_wide, "a strip"


def test_an_animation_knows_its_size_and_kind(tmp_path):
    made, axes = figures.figure(6.4, 3.4)
    FuncAnimation(made, lambda k: axes.plot([k]), frames=2).save(tmp_path / "a.gif", writer=PillowWriter(2))
    gif = figures.Picture("a", (tmp_path / "a.gif").read_bytes())
    assert gif.kind == "gif" and gif.size == (640, 340)
    assert gif.uri.startswith("data:image/gif;base64,R0lGOD")


def test_the_same_picture_is_shown_once():
    one, other = picture("one"), picture("another figure", width=5)
    assert figures.different([one, picture("same again"), other]) == [one, other]


def test_a_picture_is_the_same_bytes_each_time():
    assert picture().content == picture().content
    assert io.BytesIO(picture().content).read(4) == b"\x89PNG"
