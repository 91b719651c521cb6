"""Static files, money and durations in the site's templates."""

from datetime import timedelta

from django import template
from django.conf import settings
from django.templatetags.static import static

from sigdemo.lab import clock
from sigdemo.shop import money
from signals_app.console.formatting import written

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
    """Write a duration as the admin does; ``not yet`` for None."""
    return "not yet" if value is None else written(value)


@register.filter
def ms(seconds: float | None) -> str:
    """Write seconds as milliseconds; a dash where there are none yet."""
    return NOTHING if seconds is None else clock.duration(seconds)


@register.filter
def ping(milliseconds: float | None) -> str:
    return NOTHING if milliseconds is None else f"{milliseconds:.1f} ms"
