"""A delivery's payload as people read it."""

from __future__ import annotations

import json


def readable(payload: str) -> str:
    """Return JSON text indented, its keys in their order; text that is no JSON comes back as it is."""
    try:
        parsed = json.loads(payload)
    except ValueError:  # also for a number of too many digits
        return _encodable(payload)
    return _encodable(json.dumps(parsed, indent=2, ensure_ascii=False))


def _encodable(text: str) -> str:
    """Write out lone surrogates, which JSON may spell but no page can carry."""
    return text.encode("utf-8", "backslashreplace").decode()
