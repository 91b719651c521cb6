"""Moments and durations as the pages write them."""

from __future__ import annotations

from datetime import datetime

from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from signals_app.operations.durations import NONE, has_run, ran, until, waited, written

__all__ = ["NONE", "has_run", "moment", "ran", "until", "waited", "written"]


def moment(value: datetime | None) -> str | SafeString:
    """Write a moment to the second, in the current time zone, as a ``<time>`` element."""
    if value is None:
        return NONE
    local = timezone.localtime(value) if timezone.is_aware(value) else value
    day, clock = formats.date_format(local, "Y-m-d"), formats.time_format(local, "H:i:s")
    words = '<time class="signals-moment" datetime="{}"><span>{}</span> <span>{}</span></time>'
    return format_html(words, local.isoformat(), day, clock)
