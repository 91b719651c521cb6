"""An app of models and receivers that only the tests use."""

import os
from importlib import import_module

from django.apps import AppConfig


class TestAppConfig(AppConfig):
    """Connects the test receivers, in the tests and in the clusters that they start."""

    name = "tests.testapp"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        for name in ("testapp.receivers", "testapp.neighbours", "faults.receivers", "faults.misbehaving"):
            import_module(f"tests.{name}")
        if "TEST_TRACES" in os.environ:
            import_module("tests.testapp.traces")
        if os.environ.get("FAULT_SABOTAGE"):
            import_module("tests.faults.sabotage").carry_out()
