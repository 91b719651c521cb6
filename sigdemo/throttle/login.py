"""The admin's login, limited."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from sigdemo.throttle.clients import client_of
from sigdemo.throttle.limits import LOGIN, limited
from sigdemo.throttle.tallies import uncount

FOUND = 302  # where a login leads that was right


def login(request: HttpRequest) -> HttpResponse:
    """Let somebody in. A try counts before it is known to be wrong, so that tries at once cannot outrun the count."""
    response = limited(LOGIN)(admin.site.login)(request)
    if request.method == "POST" and response.status_code == FOUND:
        uncount(LOGIN, client_of(request))
    return response
