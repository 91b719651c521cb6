"""Icons, badges and numbers, as the pages of the admin write them."""

from __future__ import annotations

from datetime import datetime, timedelta

from django import template

from signals_app import ledger
from signals_app.console import formatting
from signals_app.redaction.logs import one_line

register = template.Library()

register.simple_tag(formatting.badge, name="badge")
register.simple_tag(formatting.cell, name="cell")
register.simple_tag(formatting.icon, name="icon")
for name in ("moment", "name", "pause_words", "process_name", "readable_name", "until"):
    register.filter(name, getattr(formatting, name))
register.filter("one_line", one_line)
register.filter("breakable", formatting.breakable)


@register.filter
def duration(value: timedelta | float | None) -> str:
    """Write a duration, or a number of seconds; a dash for none."""
    return formatting.written(value or None)


@register.filter
def since(moment: datetime, now: datetime) -> str:
    """Write how long ago a moment was."""
    return formatting.written(max(now - moment, timedelta()))


@register.filter
def percent(share: float) -> str:
    """Write a share from 0 to 1."""
    return f"{share:.0%}" if share in (0, 1) or share >= 0.1 else f"{share:.1%}"


@register.inclusion_tag("admin/signals_app/pauses.html")
def pauses() -> dict[str, object]:
    """Say what is paused; nothing where nothing is."""
    return {"pauses": ledger.pauses()}
