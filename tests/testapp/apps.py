"""An app of models and receivers that only the tests use."""

from django.apps import AppConfig


class TestAppConfig(AppConfig):
    name = "tests.testapp"
