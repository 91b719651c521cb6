"""What a delivery holds, as people read it."""

from __future__ import annotations

import json

from django.utils.translation import gettext as _

from signals_app.masking import masked, masked_text
from signals_app.processes import ProcessIdentity


def readable_payload(payload: str) -> str:
    """Return JSON text indented, its keys in their order and its secrets masked; what is no JSON, as text."""
    try:
        written = json.dumps(masked(json.loads(payload)), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):  # also for a number of too many digits
        written = masked_text(payload)
    return _encodable(written)


def process_name(owner: str) -> str:
    """Return an owner as host and pid; other text as it is."""
    process = ProcessIdentity.parse(owner)
    return _("%(host)s, pid %(pid)s") % {"host": process.host, "pid": process.pid} if process else owner


def _encodable(text: str) -> str:
    """Write out lone surrogates, which JSON may spell but no page can carry."""
    return text.encode("utf-8", "backslashreplace").decode()
