"""AERMOD's POSTFILE: what its PLOT format can look like, and what no forecast can be made from."""

import numpy as np
import pytest
from helpers.plain_runs import CALM, RECIPE, plain_run, refused

from kmodels.plume.data import cf_writer
from kmodels.plume.data.load import load

# --- AERMOD: 3 hours around the turn of a century, 2 x 2 receptors at two heights ---

HEADER = """\
* AERMOD ( 21112):  a plain test                                                     11/21/26
* MODELING OPTIONS USED:   CONC  ELEV  FLGPOL
*         POST/PLOT FILE OF CONCURRENT  1-HR VALUES FOR SOURCE GROUP: ALL
*         FOR A TOTAL OF     8 RECEPTORS.
*         FORMAT: (3(1X,F13.5),3(1X,F8.2),2X,A6,2X,A8,2X,I8.8,2X,A8)
*        X             Y      AVERAGE CONC    ZELEV    ZHILL    ZFLAG    AVE     GRP       DATE     NET ID
* ____________  ____________  ____________   ______   ______   ______  ______  ________  ________  ________
"""


def postfile() -> str:
    """Concentrations 1, 2, 3, ... ug m-3 in the order DATE, ZFLAG, Y, X; terrain 100 m, but 130 m in the north-east."""
    lines, count = [], 0
    for date in ("99123123", "99123124", "00010101"):
        for flag in (2.0, 12.0):
            for y in (4000.0, 4100.0):
                for x in (700.0, 800.0):
                    count += 1
                    elevation = 130.0 if (x, y) == (800.0, 4100.0) else 100.0
                    lines.append(
                        f" {x:13.5f} {y:13.5f} {count:13.5f} {elevation:8.2f}   130.00 {flag:8.2f}    1-HR  ALL  "
                        f"     {date}  GRID1\n"
                    )
    return HEADER + "".join(lines)


@pytest.mark.parametrize("suffix", [".pst", ".PLT"])
def test_postfile(tmp_path, suffix):
    path = tmp_path / f"hours{suffix}"
    path.write_text(postfile())
    windows = load(tmp_path, CALM)
    assert windows.shape == (2, 2, 2) and windows.cell == (10.0, 100.0, 100.0) and windows.frame_seconds == 3600
    assert windows.x.tolist() == [700, 800] and windows.y.tolist() == [4000, 4100] and windows.z.tolist() == [2, 12]
    # the hours end at 23, 24 and 1 o'clock: hour 24 of 1999 comes before hour 01 of 2000
    hours = np.array(["1999-12-31T23:00", "2000-01-01T00:00"], "datetime64[ns]")
    np.testing.assert_array_equal(windows.start_time, hours)
    np.testing.assert_allclose(windows.past([0])[0, 0].ravel(), np.arange(1, 9) * 1e-9, rtol=1e-6)
    np.testing.assert_allclose(windows.target([0])[0, 1], [[13e-9, 14e-9], [15e-9, 16e-9]], rtol=1e-6)
    np.testing.assert_allclose(windows.target([1])[0].ravel(), np.arange(17, 25) * 1e-9, rtol=1e-6)
    maps = windows.maps([0])
    assert maps.terrain[0].tolist() == [[100, 100], [100, 130]]
    assert not maps.below_ground.any() and not maps.source_emission.any()
    assert windows.units == "ug m-3" and windows.groups.tolist() == ["hours", "hours"]


def test_the_order_of_receptors_does_not_matter(tmp_path):
    lines = postfile().removeprefix(HEADER).splitlines(keepends=True)
    (tmp_path / "r.pst").write_text(HEADER + "".join(np.random.default_rng(0).permutation(lines)))
    np.testing.assert_allclose(load(tmp_path, CALM).past([0])[0, 0].ravel(), np.arange(1, 9) * 1e-9, rtol=1e-6)


def test_receptors_on_one_level_are_as_high_as_the_recipes_cells(tmp_path):
    lines = [line for line in postfile().splitlines(keepends=True) if " 12.00 " not in line]
    (tmp_path / "r.pst").write_text("".join(lines))
    windows = load(tmp_path, CALM)
    assert windows.shape == (1, 2, 2) and windows.cell == (10.0, 100.0, 100.0)


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("      2.00000 ", "     -2.00000 ", r"line 9: CONC = -2; a concentration is 0 or more"),
        ("      2.00000 ", "          NaN ", "line 9: CONC = 'NaN'; expected a number"),
        ("      2.00000 ", "************* ", r"line 9: CONC = '\*{13}'; Fortran writes stars .* FILEFORM EXP$"),
        ("      2.00000 ", "          two ", "line 9: CONC = 'two'; expected a number"),
        ("130.00   130.00     2.00", "131.00   130.00     2.00", r"line \d+: ZELEV = .*another elevation for this X"),
        ("1-HR  ALL       99123124", "24-HR  ALL       99123124", "line 16: AVE = '24-HR'; other lines are 1-HR: give"),
        (
            "ALL       00010101",
            "B         00010101",
            "line 24: GRP = 'B'; a source group beside ALL; choose one of ALL, B by --d",
        ),
        ("99123124", "99123125", "line 16: DATE = '99123125'; expected YYMMDDHH"),
        ("99123124", "99133124", "line 16: DATE = '99133124'; expected YYMMDDHH"),
        ("700.00000    4100.00000       3.0", "710.00000    4100.00000       3.0", "24 lines for 3 dates with 3 val"),
        ("700.00000    4100.00000       3.0", "700.00000    4000.00000       3.0", "line 10: X = 700; this rec"),
        ("AVERAGE CONC", "TOTAL DEPO", r"columns X Y TOTAL DEPO ZELEV .*; expected X Y CONC ZELEV ZHILL ZFLAG AVE"),
        ("GRID1\n", "GRID1 a b c\n", "line 8: 13 words; expected X Y CONC .* NETID blank or not"),
    ],
)
def test_bad_postfiles(tmp_path, old, new, said):
    text = postfile()
    assert old in text
    every = old in ("GRID1\n", "AVERAGE CONC", "99123124", "1-HR  ALL       99123124", "ALL       00010101")
    (tmp_path / "r.pst").write_text(text.replace(old, new) if every else text.replace(old, new, 1))
    refused(tmp_path, said, CALM)


def test_a_postfile_without_receptors(tmp_path):
    (tmp_path / "r.pst").write_text(HEADER)
    refused(tmp_path, r"r\.pst: holds no receptors|r\.pst: cannot be read as a POSTFILE", CALM)


# --- discrete receptors, exponents, averages, groups, names ---


def hours(average="1-HR", conc="{:13.5f}", net="  NET", groups=("ALL",), dates="240101{:02d}", count=8, step=1):
    """(text, concentrations [ug m-3] of the first group): 3 x 3 receptors at `count` dates, `step` hours apart."""
    lines, found = [], []
    for k in range(count):
        for number, group in enumerate(groups):
            for y in (0, 100, 200):
                for x in (0, 100, 200):
                    value = x + y + k + 0.5 + 1000 * number
                    found += [value] if number == 0 else []
                    lines.append(
                        f" {x:13.5f} {y:13.5f} {conc.format(value)}    10.00    10.00     0.00  {average:>6}  "
                        f"{group:<8}  {dates.format((k + 1) * step)}{net}\n"
                    )
    return HEADER + "".join(lines), np.array(found).reshape(count, 1, 3, 3)


def check(path, expected, recipe=CALM, rtol=1e-6):
    windows = load(path, recipe)
    run = windows.runs[0]
    np.testing.assert_allclose(run.concentration(0, run.n_frames), expected * 1e-9, rtol=rtol)
    return windows


@pytest.mark.parametrize("net", ["", "  ", " " * 10, "  NET", "\r"])
def test_discrete_receptors_have_no_net(tmp_path, net):
    text, expected = hours(net=net)
    (tmp_path / "r.pst").write_text(text, newline="")
    check(tmp_path / "r.pst", expected)


def test_receptors_of_a_net_beside_discrete_ones(tmp_path):
    text, expected = hours()
    (tmp_path / "r.pst").write_text(
        "".join(line.replace("  NET\n", "\n", k % 2) for k, line in enumerate(text.splitlines(True)))
    )
    check(tmp_path / "r.pst", expected)


@pytest.mark.parametrize(
    "conc, change",
    [
        ("{:13.6E}", ("", "")),
        ("{:13.6E}", ("E+", "D+")),
        ("{:13.6e}", ("e+", "d+")),
        ("{:13.6E}", ("E+", "+0")),  # Fortran leaves the letter away before three digits
    ],
)
def test_exponents(tmp_path, conc, change):
    text, expected = hours(conc=conc)
    (tmp_path / "r.pst").write_text(HEADER + text.removeprefix(HEADER).replace(*change))
    check(tmp_path / "r.pst", expected)


def test_small_numbers_of_three_digits_in_the_exponent(tmp_path):
    text, expected = hours()
    (tmp_path / "r.pst").write_text(text.replace("      0.50000 ", " 0.500000-100 ", 1))
    expected[0, 0, 0, 0] = 0.0  # float32 has none as small
    check(tmp_path / "r.pst", expected)


@pytest.mark.parametrize("column, name", [(0, "X"), (1, "Y"), (2, "CONC"), (3, "ZELEV"), (5, "ZFLAG")])
def test_overflow_is_named_in_any_column(tmp_path, column, name):
    text, _ = hours()
    lines = text.splitlines()
    words = lines[12].split()
    words[column] = "*" * 13
    lines[12] = " " + " ".join(words)
    (tmp_path / "r.pst").write_text("\n".join(lines))
    refused(tmp_path, rf"r\.pst, line 13: {name} = '\*{{13}}'; Fortran writes stars where a number is wider", CALM)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 8, 12, 24])
def test_averages_are_frames_of_their_length(tmp_path, count):
    text, expected = hours(f"{count}-HR", count=24 // count, step=count)
    if count == 24:
        text, expected = hours("24-HR", dates="2401{:02d}24")
    (tmp_path / "r.pst").write_text(text)
    if len(expected) > 1:
        assert check(tmp_path / "r.pst", expected).frame_seconds == 3600 * count


@pytest.mark.parametrize(
    "average, header, said",
    [
        (
            "MONTH",
            "DATE",
            "AVE = 'MONTH'; months differ in length and frames do not; expected averages over 1-HR to 24",
        ),
        ("PERIOD", "NUM HRS", "AVE = 'PERIOD'; the average over all hours is a single frame, and a forecast needs"),
        ("ANNUAL", "NUM YRS", "AVE = 'ANNUAL'; no cloud is left after a year; expected"),
        ("5-HR", "DATE", "AVE = '5-HR'; expected one of 1-HR, 2-HR, 3-HR, 4-HR, 6-HR, 8-HR, 12-HR, 24-HR"),
    ],
)
def test_averages_that_no_forecast_can_be_made_from(tmp_path, average, header, said):
    (tmp_path / "r.pst").write_text(hours(average)[0].replace("DATE ", f"{header} ", 1))
    refused(tmp_path, said, CALM)


def test_two_averages_in_a_file(tmp_path):
    (tmp_path / "r.pst").write_text(hours()[0] + hours("3-HR", step=3)[0].removeprefix(HEADER))
    refused(tmp_path, "line 80: AVE = '3-HR'; other lines are 1-HR: give them apart", CALM)


@pytest.mark.parametrize("group", ["NA", 1])  # a group's name is no missing value, and may look like a number
def test_one_of_two_source_groups_is_chosen(tmp_path, group):
    text, expected = hours(groups=("ALL", group))
    (tmp_path / "r.pst").write_text(text)
    said = rf"line 17: GRP = '{group}'; a source group beside ALL; choose one of ALL, {group} by --data\.group ALL"
    refused(tmp_path, said, CALM)
    check(tmp_path / "r.pst", expected, CALM.with_changes({"data": {"group": "ALL"}}))
    check(tmp_path / "r.pst", expected + 1000, CALM.with_changes({"data": {"group": group}}))
    none = CALM.with_changes({"data": {"group": "STACK1"}})
    refused(tmp_path, rf"r\.pst: no source group 'STACK1'; data\.group is one of ALL, {group}", none)


@pytest.mark.parametrize("suffix", [".pst", ".plt", ".pos", ".txt", ".out", ".POS"])
def test_names_of_postfiles(tmp_path, suffix):
    text, expected = hours()
    (tmp_path / f"r{suffix}").write_text(text)
    check(tmp_path / f"r{suffix}", expected)
    check(tmp_path, expected)


def test_other_texts_of_a_folder_are_left_alone(tmp_path):
    (tmp_path / "readme.txt").write_text("What these files are.\n")
    (tmp_path / "aermod.out").write_text("*** AERMOD - VERSION  21112 ***\n\n  **MODELOPTs:  RegDFAULT  CONC  ELEV\n")
    refused(tmp_path, r"no file here ends in \.nc or \.npz or \.pst or \.plt or \.pos$", CALM)
    refused(tmp_path / "aermod.out", r"aermod\.out, line 3: 4 words; expected X Y CONC .*AERMOD's POSTFILE has", CALM)
    (tmp_path / "inner").mkdir()
    cf_writer.write_run(tmp_path / "inner" / "r.nc", plain_run())
    assert load(tmp_path, RECIPE).groups[0] == "a"
    text, expected = hours()
    (tmp_path / "hours.txt").write_text(text)
    check(tmp_path, expected)


def test_a_binary_postfile(tmp_path):
    (tmp_path / "r.pst").write_bytes(b"\x14\x00\x00\x00 a record of Fortran \x14\x00\x00\x00")
    refused(tmp_path, r"r\.pst: binary; expected text: write the POSTFILE with PLOT instead of UNFORM", CALM)
