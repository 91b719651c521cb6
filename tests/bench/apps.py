"""The app that gives every contender its receivers."""

import os
from importlib import import_module
from typing import Any

from django.apps import AppConfig


class BenchConfig(AppConfig):
    """Connects the receivers of the contender that this process belongs to."""

    name = "tests.bench"

    def ready(self) -> None:
        side()


def side() -> Any:
    """Return the module of the side that this process is on; it cannot load the other."""
    ours = os.environ["BENCH_CONTENDER"] == "signals_app"
    return import_module("tests.bench.with_signals_app" if ours else "tests.bench.with_django_q")
