"""What a project adds to ``MIDDLEWARE``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from signals_app.dispatcher.emission import Origin, sent_from

Answer = HttpResponseBase | Awaitable[HttpResponseBase]


class OriginMiddleware:
    """Records with each delivery which request sent it, and whose.

    Works under WSGI and ASGI. The user is looked up as ``request.user``, when a signal is sent.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Answer]) -> None:
        """Be a coroutine function if ``get_response`` is one."""
        self._get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Answer:
        if self._is_async:
            return self._awaited(request)
        with sent_from(Origin.of(request)):
            return self._get_response(request)

    async def _awaited(self, request: HttpRequest) -> HttpResponseBase:
        with sent_from(Origin.of(request)):
            return await cast(Awaitable[HttpResponseBase], self._get_response(request))
