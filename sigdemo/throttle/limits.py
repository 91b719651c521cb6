"""What is limited, and the views that it is limited for."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse

from sigdemo.errors import error_page
from sigdemo.throttle.clients import client_of
from sigdemo.throttle.tallies import Limit, TooOften, count

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
