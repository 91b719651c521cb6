"""What a delivery holds, as people read it."""

from __future__ import annotations

import json
import re

from django.utils.translation import gettext as _

from signals_app.conf import conf
from signals_app.logs import one_line, one_record
from signals_app.masking import masked, masked_text
from signals_app.processes import ProcessIdentity

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-")


def readable_payload(payload: str, *, indent: int | None = 2) -> str:
    """Return JSON text, indented or in a line, its keys in their order and secrets masked; what is no JSON, as text."""
    try:
        written = json.dumps(masked(json.loads(payload)), indent=indent, ensure_ascii=False)
    except (ValueError, RecursionError):  # also for a number of too many digits
        written = one_record(masked_text(payload))
    return _encodable(written)


def readable_name(text: str) -> str:
    """Return what others chose, such as a sender, on one line and with its secrets masked."""
    return one_line(masked_text(text))


def process_name(owner: str) -> str:
    """Return an owner as host and pid; other text as one line."""
    process = ProcessIdentity.parse(owner)
    return one_line(_("%(host)s, pid %(pid)s") % {"host": process.host, "pid": process.pid} if process else owner)


def trace_id(traceparent: str) -> str:
    """Return the id of the trace that a W3C traceparent names; "" where it names none."""
    match = _TRACEPARENT.match(traceparent)
    return match[1] if match else ""


def trace_url(trace_id: str) -> str:
    """Return where the project's tracing shows a trace, by ``SIGNALS_APP["TRACE_URL"]``; "" where none is set."""
    return conf.trace_url.replace("{trace_id}", trace_id)


def _encodable(text: str) -> str:
    """Write out lone surrogates, which JSON may spell but no page can carry."""
    return text.encode("utf-8", "backslashreplace").decode()
