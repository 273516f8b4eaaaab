"""Files that are whole or not there: everything is written aside and renamed into place."""

import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path


def absolute(path: str | None) -> str | None:
    """The path from the root, which means the same wherever a later process is started; None of none."""
    return None if path is None else str(Path(path).expanduser().resolve())


@contextlib.contextmanager
def naming(path: Path):
    """Give an OSError from inside, such as a full disk, the name of the file that was being written."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise


@contextlib.contextmanager
def replacing(path: Path):
    """Yield a temporary path beside `path`; when the block ends well it takes `path`'s place, else it is removed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays: writers such as Keras' choose the format by it.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".aside-", suffix=path.suffix)
    os.close(handle)
    aside = Path(name)
    try:
        with naming(path):
            yield aside
        aside.chmod(0o644)
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all."""
    with replacing(path) as aside:
        aside.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all."""
    with replacing(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(path: Path, value) -> None:
    """Write `value` as indented JSON; NaN is refused, so that every reader can read it."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_table(path: Path, table) -> None:
    """Write a DataFrame as .parquet or, for any other suffix, as CSV with six decimals; whole or not at all."""
    with replacing(path) as aside:
        if Path(path).suffix == ".parquet":
            table.to_parquet(aside, index=False)
        else:
            table.to_csv(aside, index=False, float_format="%.6f")


def sha256(*paths: Path) -> str:
    """The hash of the named files' contents, in the order given; of a folder those of all its files, sorted."""
    digest = hashlib.sha256()
    for path in map(Path, paths):
        inside = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for each in inside:
            with each.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()
