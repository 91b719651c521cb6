"""Durations in the lab's templates."""

from django import template

from sigdemo.lab.clock import duration

register = template.Library()

NOTHING = "\N{EN DASH}"


@register.filter
def ms(seconds: float | None) -> str:
    """Return seconds as milliseconds in words; a dash where there are none yet."""
    return NOTHING if seconds is None else duration(seconds)


@register.filter
def ping(milliseconds: float | None) -> str:
    """Return a latency in words."""
    return NOTHING if milliseconds is None else f"{milliseconds:.1f} ms"
