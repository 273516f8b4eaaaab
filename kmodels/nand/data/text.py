"""A table of text as people and machines write it: its encoding, separator, header, comments and row numbers."""

import codecs
import csv
import gzip
import io
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from kmodels.core.io.files import reading, refuse_giant
from kmodels.core.spec.errors import UserError

SEPARATORS = (",", ";", "\t")
GZIP = b"\x1f\x8b"
PIECE = 1 << 24  # bytes unpacked at once
HEAD = 1 << 16  # bytes among which the header stands
LINE_END = r"\r\n|\n|\r"


def read(path: Path, known: Callable[[list[str]], int]) -> pd.DataFrame:
    """Read a table of text; every cell stays text.

    Comment lines (`#`), blank lines before the header and at the end, and Excel's `sep=;` are left out.

    Parameters
    ----------
    path : Path
        The file: UTF-8 or UTF-16, plain or gzip, separated by comma, semicolon or tab.
    known : callable
        ``known(names)`` counts the known ones among a line's names; the separator that makes most of them is taken.

    Returns
    -------
    DataFrame
        Columns of texts, "" for an empty cell, under the names of the file; the index holds the rows' lines.

    Raises
    ------
    UserError
        Where it is damaged, no such text, or too large.
    """
    with reading(path, "a CSV table"):
        content = _content(path)
        skip, separator, names = _header(content, known)
        if skip:  # emptied, not cut: the numbers of the lines behind stay
            content = b"\n" * skip + re.split(LINE_END.encode(), content, maxsplit=skip)[-1]
        try:
            frame = _parsed(_without_comments(content, separator, len(names)), separator, skip, names)
        except UnicodeDecodeError as error:
            raise UserError(f"{path}: is neither UTF-8 nor UTF-16 ({error.reason}); save it as UTF-8") from None
    return _real_rows(frame, skip + 2)


def _content(path: Path) -> bytes:
    """Read a file's bytes, unpacked, as UTF-8."""
    with path.open("rb") as file:
        packed = file.read(len(GZIP)) == GZIP
    with gzip.open(path) if packed else path.open("rb") as file:
        content = bytearray()
        while piece := file.read(PIECE):
            content += piece
            refuse_giant(str(path), len(content))
    content = _utf8(bytes(content), path)
    if b"\0" in content:
        raise UserError(f"{path}: cannot be read as a CSV table: zero bytes in it; it is damaged, or no text")
    return content


def _utf8(content: bytes, path: Path) -> bytes:
    """Turn UTF-16, with or without its mark, into UTF-8; a mark of UTF-8 is cut off."""
    start, encoding = content[:64], None
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif len(start) > 3 and any(start) and not (any(start[1::2]) and any(start[::2])):
        encoding = "utf-16-be" if any(start[1::2]) else "utf-16-le"
    if encoding is None:
        return content.removeprefix(codecs.BOM_UTF8)
    try:
        return content.decode(encoding).encode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: cannot be read as a CSV table: begins as UTF-16, but {error.reason}") from None


def _header(content: bytes, known) -> tuple[int, str, list[str]]:
    """Find the line that names the columns: (number of lines before it, separator, names).

    It is the first that is neither blank nor a comment, or a comment before it that names known columns, as NumPy
    writes one.
    """
    for skip, line in enumerate(re.split(LINE_END, content[:HEAD].decode("utf-8", "replace"))):
        if not line.strip(" \t,;") or line.lower().startswith("sep="):
            continue
        names, separator = max(((_names(line, sep), sep) for sep in SEPARATORS), key=lambda found: known(found[0]))
        if not line.lstrip().startswith("#") or known(names) > 1:
            return skip, separator, names
    raise ValueError("it is empty" if not content.strip() else "no line names the columns")


def _names(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator, skipinitialspace=True))


def _without_comments(content: bytes, separator: str, columns: int) -> bytes:
    """Shorten comment lines to their `#`; one with as many cells as a row may be a row, and stays."""
    if b"#" not in content:
        return content
    comment = re.compile(rb"([\r\n])[ \t]*#[^\r\n]*")
    mark = separator.encode()
    return comment.sub(lambda line: line[0] if line[0].count(mark) >= columns - 1 else line[1] + b"#", content)


def _parsed(content: bytes, separator: str, skip: int, names: list[str]) -> pd.DataFrame:
    """Split text into cells, which stay as they are written; rows may end in a separator where the header does not."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # of rows with more cells than names
        try:
            frame = _cells(content, separator, skip)
        except pd.errors.ParserWarning:
            frame = _cells(content, separator, skip, names=[*names, "behind"], header=0)
            if (frame.pop("behind").fillna("").str.strip() != "").any():
                raise ValueError(f"its rows have more cells than the {len(names)} names of line {skip + 1}") from None
    if len(names) != frame.shape[1]:
        raise ValueError(f"line {skip + 1}: a header of {len(names)} names for {frame.shape[1]} columns")
    return frame.set_axis(names, axis=1)


def _cells(content: bytes, separator: str, skip: int, **options) -> pd.DataFrame:
    return pd.read_csv(
        io.BytesIO(content),
        sep=separator,
        skiprows=skip,
        dtype=str,
        keep_default_na=False,
        skipinitialspace=True,
        skip_blank_lines=False,
        index_col=False,
        low_memory=False,
        **options,
    )


def _real_rows(frame: pd.DataFrame, first: int) -> pd.DataFrame:
    """Give rows the numbers of their lines, from `first`; leave out comments, and empty rows at the end."""
    frame = frame.set_axis(pd.RangeIndex(first, first + len(frame)))
    start = frame.iloc[:, 0].str.strip()
    odd = frame[start.isin(["", "#"]) | start.isna()]  # the few among which all such rows are
    others = [cells.fillna("").str.strip() == "" for _, cells in odd.iloc[:, 1:].items()]
    bare = odd.index[np.logical_and.reduce(others, axis=0)] if others else odd.index
    comments = bare[start[bare] == "#"]
    full = frame.index.difference(bare)
    last = full[-1] if len(full) else first - 1
    return frame if not len(bare) else frame[~frame.index.isin(comments) & (frame.index <= last)]
