"""Error pages that need nothing: no database, no session, no form, and not the rest of a request that went wrong.

Django's own handlers read the form that was sent, to have a token at hand; a broken one then ends in a 500.
"""

import sys
from http import HTTPStatus

from django.core.exceptions import RequestDataTooBig
from django.db import Error, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

SOON = 5  # seconds after which a database that was away may be back
_SQLITE_ERROR = 1  # the code of a wrong statement, which no waiting mends


def error_page(request: HttpRequest, status: int, **context: object) -> HttpResponse:
    """Return the page of an HTTP status; a client that sent JSON gets ``{"error": …}``."""
    if request.content_type == "application/json":
        return JsonResponse({"error": f"{HTTPStatus(status).phrase}."}, status=status)
    return HttpResponse(render_to_string(f"{status}.html", context), status=status)


def unavailable(request: HttpRequest) -> HttpResponse:
    """Return 503, with the time after which to try again."""
    page = error_page(request, 503)
    page["Retry-After"] = str(SOON)
    return page


def is_away(error: object) -> bool:
    """Tell whether the database cannot be reached, or keeps its lock to itself, which is over by itself some time."""
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    return getattr(error.__cause__, "sqlite_errorcode", None) != _SQLITE_ERROR


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what makes no sense: 400, or 413 where it is too large."""
    return error_page(request, 413 if isinstance(exception, RequestDataTooBig) else 400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403, with the reason that a view of ours gave."""
    return error_page(request, 403, exception=str(exception))


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_page(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500, or 503 where it was the database that failed outside of a view, such as for the session."""
    error = sys.exc_info()[1]
    return unavailable(request) if isinstance(error, Error) and is_away(error) else error_page(request, 500)
