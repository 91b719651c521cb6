"""What is answered before or in place of a view: what is too large or broken, and a database that is away."""

from collections.abc import Callable, Iterator

from django.conf import settings
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import FieldDoesNotExist
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from sigdemo.errors import error_page, is_away, unavailable
from signals_app.redaction.logs import get_logger

logger = get_logger("sigdemo.http")

UNUSED_RIGHTS = ("camera", "microphone", "geolocation", "payment", "usb")  # browsers complain of ones they do not know

GetResponse = Callable[[HttpRequest], HttpResponseBase]


class BrowserRights:
    """Says on every answer that no page of ours wants a camera, a place or a payment, and whose pages may embed it."""

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass on, and add the headers that Django has no setting for."""
        response = self._get_response(request)
        response["Permissions-Policy"] = ", ".join(f"{right}=()" for right in UNUSED_RIGHTS)
        response["Cross-Origin-Resource-Policy"] = "same-origin"
        return response


class Refusals:
    """Refuses a body that is too large by what its sender says of it, and text that no database can hold."""

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer 413 or 400, or give an empty 405 its page."""
        length = _length(request)
        if length is None or any("\0" in text for text in _texts(request)):
            return error_page(request, 400)
        if length > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            return error_page(request, 413)
        response = self._get_response(request)
        if isinstance(response, HttpResponse) and response.status_code == 405 and not response.content:
            page = error_page(request, 405)
            page["Allow"] = response["Allow"]
            return page
        return response

    def process_view(self, request: HttpRequest, view: Callable[..., object], *_: object) -> HttpResponse | None:
        """Answer 400 to a form with a NUL in it; a view for machines checks what it reads by itself."""
        if request.method != "POST" or getattr(view, "csrf_exempt", False):
            return None
        sent = (text for name, values in request.POST.lists() for text in (name, *values))
        return error_page(request, 400) if any("\0" in str(text) for text in sent) else None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer 400 for what the admin lets through: a ``_to_field`` without a name, no year, no number of a row."""
        if isinstance(exception, FieldDoesNotExist) and "_to_field" in {*request.GET, *request.POST}:
            return error_page(request, 400)
        if isinstance(exception, ValueError | OverflowError) and _asks_a_list_in_vain(request):
            logger.warning("An admin's list cannot look for %s: %s", request.GET.urlencode(), exception)
            return error_page(request, 400)
        return None


def _asks_a_list_in_vain(request: HttpRequest) -> bool:
    if request.resolver_match is None or not request.resolver_match.view_name.endswith("_changelist"):
        return False
    rows = request.POST.getlist(ACTION_CHECKBOX_NAME)
    return any("__year" in name for name in request.GET) or not all(row.isdecimal() and len(row) < 19 for row in rows)


def _length(request: HttpRequest) -> int | None:
    """Return the bytes of the body, None where its sender names no number, which Django could not read."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    return int(length) if length.isascii() and length.isdigit() and len(length) < 20 else None


def _texts(request: HttpRequest) -> Iterator[str]:
    """Yield what a view may look for in the database and no form has checked."""
    yield request.path
    yield request.META.get("QUERY_STRING", "").replace("%00", "\0")
    yield from request.COOKIES.values()


class DatabaseAway:
    """Answers 503 where a view finds the database away; Django connects anew for the next request."""

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass on."""
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer 503 for what time mends; anything else is a bug and a 500."""
        if not is_away(exception):
            return None
        logger.error("The database is away for %s %s: %s", request.method, request.path, exception)
        return unavailable(request)
