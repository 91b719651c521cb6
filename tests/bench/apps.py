"""The app that gives every contender its receivers."""

import os
from importlib import import_module

from django.apps import AppConfig


class BenchConfig(AppConfig):
    """Connects the receivers of the contender that this process belongs to; it cannot load the other's."""

    name = "tests.bench"

    def ready(self) -> None:
        ours = os.environ["BENCH_CONTENDER"] == "signals_app"
        import_module("tests.bench.with_signals_app" if ours else "tests.bench.with_django_q")
