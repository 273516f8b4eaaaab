"""Real files made bad: bytes cut, turned, blown up; what a loader may do with them."""

import resource
import shutil
import time
from pathlib import Path

import numpy as np

from kmodels.core.spec.errors import UserError

SECONDS, GIB = 20.0, 1.0  # that a loader may take for a bad file of some kB


def cut(rng, content):
    return content[: rng.integers(len(content))]


def bit(rng, content):
    changed = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        changed[rng.integers(len(changed))] ^= 1 << rng.integers(8)
    return bytes(changed)


def head_bit(rng, content):
    """A bit of what describes the rest."""
    changed = bytearray(content)
    changed[rng.integers(min(len(changed), 512))] ^= 1 << rng.integers(8)
    return bytes(changed)


def number(rng, content):
    """Eight bytes that may be a size: none, all, or one that is huge."""
    at = int(rng.integers(max(1, len(content) - 8)))
    value = (0, 2**63 - 1, 2**40, 2**31 - 1, 2**64 - 1)[rng.integers(5)]
    return content[:at] + int(value).to_bytes(8, "little") + content[at + 8 :]


def zeros(rng, content):
    at, length = rng.integers(len(content)), int(rng.integers(1, 200))
    return content[:at] + bytes(length) + content[at + length :]


def doubled(rng, content):
    at, length = rng.integers(len(content)), int(rng.integers(1, 200))
    return content[: at + length] + content[at:]


def missing(rng, content):
    at, length = rng.integers(len(content)), int(rng.integers(1, 200))
    return content[:at] + content[at + length :]


def junk(rng, content):
    return rng.bytes(int(rng.integers(0, 300)))


def words(rng, content):
    """Text where numbers were, in files that are text."""
    at = int(rng.integers(len(content)))
    word = (b"nan", b"inf", b"-1e300", b"text", b'"', b"\n", b",,,", b"\x00", b"1" * 400, "é".encode("latin1"))
    return content[:at] + word[rng.integers(len(word))] + content[at + 1 :]


KINDS = (cut, bit, bit, head_bit, number, zeros, doubled, missing, junk, words)


def mutant(rng, original: Path, copy: Path) -> str:
    """Copy a file or folder with one file in it mutated; returns what was done to which."""
    if original.is_dir():
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(original, copy)
        files = sorted(p for p in copy.rglob("*") if p.is_file())
        victim = files[rng.integers(len(files))]
    else:
        shutil.copy(original, copy)
        victim = copy
    kind = KINDS[rng.integers(len(KINDS))]
    victim.write_bytes(kind(rng, victim.read_bytes()))
    return f"{kind.__name__} of {victim.name}"


def fault_of(load, path: Path, in_range) -> tuple[bool, str | None]:
    """(whether it was refused, what is wrong with how the loader took the file; None where nothing is).

    in_range(records): raises AssertionError where a loaded value is not finite or cannot be.
    """
    began, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused = False
    try:
        in_range(load(path))
    except UserError as error:
        refused, said = True, str(error)
        if "\n" in said or not any(p in said for p in (path.name, path.stem)):
            return True, f"says {said[:200]!r}"
    except AssertionError as error:
        return False, f"let a bad value pass: {str(error)[:200]}"
    except Exception as error:  # noqa: BLE001 - the very thing that is looked for
        return True, f"{type(error).__name__}: {str(error)[:200]}"
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
    if time.process_time() - began > SECONDS or grown > GIB:
        return refused, f"took {time.process_time() - began:.1f} s and {grown:.1f} GiB"
    return refused, None


def fuzz(load, original: Path, folder: Path, count: int, seed: int, in_range) -> tuple[int, list[str]]:
    """(how many of `count` mutants were refused, what was wrong)."""
    rng, refused, faults = np.random.default_rng(seed), 0, []
    for k in range(count):
        copy = folder / f"mutant{original.suffix}"
        what = mutant(rng, original, copy)
        was_refused, fault = fault_of(load, copy, in_range)
        refused += was_refused
        if fault:
            faults.append(f"mutant {k}, {what}: {fault}")
    return refused, faults
