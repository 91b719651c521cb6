"""Static files, money and durations in the site's templates."""

from datetime import timedelta

from django import template
from django.conf import settings
from django.templatetags.static import static

from sigdemo.lab import clock
from sigdemo.shop import money

register = template.Library()
register.filter("euro", money.euro)
register.filter("percent", money.percent)

NOTHING = "\N{EN DASH}"


@register.simple_tag
def asset(path: str) -> str:
    """Return a static file's address; one that nothing may be found at where ``collectstatic`` was not run.

    An error page without its colours says more than an error about the error page.
    """
    try:
        return static(path)
    except ValueError:
        return f"{settings.STATIC_URL}{path}"


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


@register.filter
def ms(seconds: float | None) -> str:
    """Write seconds as milliseconds; a dash where there are none yet."""
    return NOTHING if seconds is None else clock.duration(seconds)


@register.filter
def ping(milliseconds: float | None) -> str:
    return NOTHING if milliseconds is None else f"{milliseconds:.1f} ms"
