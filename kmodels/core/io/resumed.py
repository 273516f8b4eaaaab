"""A study's record that is gone on with: what was measured is not measured again."""

import json
from pathlib import Path

from kmodels.core.spec.errors import UserError


def resumed(path: Path, settings: dict, items: dict, added: dict | None = None) -> dict:
    """Read what a study has measured before; refuse what was measured with other settings.

    Parameters
    ----------
    path : pathlib.Path
        The record, JSON; it need not be there.
    settings : dict
        With which is measured now; a record holds its own under the same names.
    items : dict
        {name: empty} of what a record collects.
    added : dict, optional
        Settings that earlier records do not name, and what they were then.

    Returns
    -------
    dict
        The record, or `items` where there is none.

    Raises
    ------
    UserError
        For a file that is no such record, or was measured otherwise.
    """
    if not path.exists():
        return dict(items)
    try:
        record = (added or {}) | json.loads(path.read_text())
        found = {name: record[name] for name in (*settings, *items)}
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path}: is no record of this study; name another --out") from None
    earlier = {name: found[name] for name in settings}
    if earlier != settings:
        raise UserError(f"{path}: was measured with {earlier}, not {settings}; name another --out")
    return record
