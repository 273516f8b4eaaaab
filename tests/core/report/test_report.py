"""The page and the files of a report."""

import copy
import html
import json
import re

import pytest
from helpers.checks import ROOT

from kmodels.core.report import figures, report

RUNS = ROOT / "tests/fixtures/saved_runs"


@pytest.fixture
def plume():
    """A report that an earlier version wrote: its gates have no kind, no untrained value, no baseline."""
    return json.loads((RUNS / "plume/report.json").read_text())


def text_of(page: str) -> str:
    """The page's text without tags, in one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.partition("<body>")[2])).split())


def drawn(width=6.0, height=4.0):
    made, axes = figures.figure(width, height)
    axes.plot([1, 2])
    return made


def test_an_old_report_has_a_page(plume):
    page = report.html(plume, [], ("fac2", "mse"))
    assert "mse [ug2 m-6]" in text_of(page) and "fac2 [" not in text_of(page)
    assert "does not discriminate" not in page.replace("A gate that", ""), "nothing is known about it"


def test_a_gates_row_shows_what_it_is_worth(plume):
    new = copy.deepcopy(plume)
    common = {"status": "passed", "kind": "quality", "value": 0.5, "untrained": 0.25}
    weak = {"discriminates": False, "best_baseline": {"name": "wind_moved", "value": 0.75}}
    new["gates"][0] |= common | weak | {"direction": "within", "bound": [0.4, 0.65432109]}
    new["gates"][1] |= common | {"kind": "requirement", "discriminates": None, "best_baseline": None}
    new["gates"] = new["gates"][:2]
    text = text_of(report.html(new, [], ()))
    assert "0.5000 0.4 to 0.65432109 0.2500 0.7500 wind moved passed does not discriminate" in text
    assert f"{new['gates'][1]['name']} requirement" in text and text.count("passed does not discriminate") == 1


def test_a_report_over_seeds_shows_their_spread_and_no_empty_heading(plume):
    text = text_of(report.html(plume | {"seeds": [1000, 1001], "spread": {"fac2": 0.0625}}, [], ("fac2",)))
    assert "means over seeds" in text and "0.06250" in text and "seeds 1000, 1001" in text
    plume["gates"][0]["each"] = [0.125, 0.5]
    assert "0.1250, 0.5000" in text_of(report.html(plume, [], ()))
    assert "Pictures" not in text and "seed 0" in text_of(report.html(plume, [], ("fac2",)))


def test_pictures_are_as_wide_as_they_need_and_inside_the_page(plume):
    shown = [figures.Picture(name, figures.png(drawn(width))) for name, width in (("half", 6), ("whole", 9))]
    page = report.html(plume, shown, ())
    assert re.findall(r"<figure(?: class=\"(\w+)\")?><figcaption>(\w+)", page) == [("", "half"), ("wide", "whole")]
    assert page.count("data:image/png;base64,") == 2 and "http" not in page


def test_tables_scroll_in_a_box_of_their_own(plume):
    page = report.html(plume, [], ("fac2",))
    tables = page.count("<table>")
    assert tables == 3 and len(re.findall(r'<div class="scroll">\s*<table>', page)) == tables
    assert page.count('class="last"') == 1 + len(plume["gates"]), "the verdict stays in sight"


def test_writing_leaves_out_a_picture_that_is_there_and_shows_animations(plume, tmp_path):
    pictures = {"one": drawn(), "the same": drawn(), "another": drawn(5)}
    gif = b"GIF89a\x02\x00\x01\x00"
    report.write(plume, pictures, tmp_path, ("fac2",), {"rollout.gif": gif, "table.csv": b"a,b\n"})
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert names == {"one.png", "another.png", "rollout.gif", "table.csv"}
    page = (tmp_path / "report.html").read_text()
    assert page.count("<img") == 3 and "data:image/gif;base64," in page and "rollout, animated" in page
    assert json.loads((tmp_path / "report.json").read_text()) == plume
