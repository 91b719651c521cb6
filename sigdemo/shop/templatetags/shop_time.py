"""Durations in templates."""

from datetime import timedelta

from django import template

register = template.Library()


@register.filter
def duration(value: timedelta | None) -> str:
    """Write a duration as people read it: ``4.2 ms``, ``1.35 s``, ``2 min 5 s``; ``not yet`` for None."""
    if value is None:
        return "not yet"
    seconds = value.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"
