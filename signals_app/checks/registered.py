"""One registration of all checks: each is a generator of messages that takes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, register

Check = Callable[[Sequence[AppConfig] | None], list[CheckMessage]]


def check(*, deploy: bool = False) -> Callable[[Callable[[], Iterator[CheckMessage]]], Check]:
    """Register a check under ``signals_app``; with ``deploy``, for ``check --deploy`` alone."""

    def registered(find: Callable[[], Iterator[CheckMessage]]) -> Check:
        @register("signals_app", deploy=deploy)
        def run(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
            return list(find())

        return run

    return registered
