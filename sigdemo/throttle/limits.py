"""What is limited, how tries are counted, and the views that are limited."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import Any

from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from sigdemo.errors import error_page
from sigdemo.throttle.clients import client_of
from sigdemo.throttle.models import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most ``most`` tries of one client within any ``seconds``; ``told`` is what whoever tries on gets to read."""

    what: str
    most: int
    seconds: int
    told: str


class TooOften(Exception):
    """A client tried more often than it may; ``seconds`` is how long it should wait."""

    def __init__(self, limit: Limit, seconds: float) -> None:
        super().__init__(limit.told)
        self.seconds = max(1, round(seconds))


def count(limit: Limit, client: str) -> None:
    """Count one try. Raises TooOften, and writes nothing, where it is one too many."""
    now = timezone.now()
    tried = Tally.objects.filter(what=limit.what, client=client).values_list("tries", flat=True).first()
    if tried is None:
        Tally.objects.filter(until__lt=now).delete()
    else:
        _recent(limit, tried)
    with transaction.atomic():  # the row's lock: tries at once are counted one after another
        rows = Tally.objects.select_for_update()
        tally, _ = rows.get_or_create(what=limit.what, client=client, defaults={"until": now})
        tally.tries = [*_recent(limit, tally.tries), now.timestamp()]
        tally.until = now + timedelta(seconds=limit.seconds)
        tally.save()


def uncount(limit: Limit, client: str) -> None:
    """Take one try back, because it was right; those before it stay, or one's own account would clear them."""
    with transaction.atomic():
        tally = Tally.objects.select_for_update().filter(what=limit.what, client=client).first()
        if tally is not None:
            tally.tries = tally.tries[:-1]
            tally.save()


def _recent(limit: Limit, tries: list[float]) -> list[float]:
    """Return the tries that still count. Raises TooOften where they are as many as there may be."""
    now = timezone.now().timestamp()
    recent = [one for one in tries if one > now - limit.seconds]
    if len(recent) >= limit.most:
        raise TooOften(limit, recent[-limit.most] + limit.seconds - now)
    return recent


LOGIN = Limit(
    what="login",
    most=10,
    seconds=300,
    told="Ten logins that failed within five minutes came from your address, which is as many as it may try.",
)
CHECKOUT = Limit(
    what="checkout",
    most=30,
    seconds=60,
    told="Thirty orders within a minute came from your address, which is as many as it may place.",
)
OUTAGE = Limit(
    what="outage",
    most=30,
    seconds=60,
    told="Thirty times within a minute the warehouse was told to fail from your address, which is enough.",
)

View = Callable[..., HttpResponse]


def limited(limit: Limit) -> Callable[[View], View]:
    """Let a client send a view's form no oftener than the limit says; looking is free."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method == "POST":
                try:
                    count(limit, client_of(request))
                except TooOften as error:
                    return _too_often(request, error)
            return view(request, *args, **kwargs)

        return guarded

    return decorate


def _too_often(request: HttpRequest, error: TooOften) -> HttpResponse:
    page = error_page(request, 429, told=str(error), seconds=error.seconds)
    page["Retry-After"] = str(error.seconds)
    return page


FOUND = 302  # where a login leads that was right


def login(request: HttpRequest) -> HttpResponse:
    """Let somebody in. A try counts before it is known to be wrong, so that tries at once cannot outrun the count."""
    response = limited(LOGIN)(admin.site.login)(request)
    if request.method == "POST" and response.status_code == FOUND:
        uncount(LOGIN, client_of(request))
    return response
