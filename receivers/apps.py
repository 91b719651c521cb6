"""Connects the receivers: importing them is all it takes."""

from importlib import import_module

from django.apps import AppConfig


class ReceiversConfig(AppConfig):
    """The site's receivers as a Django app, so that web, cluster and tests connect the same ones."""

    name = "receivers"

    def ready(self) -> None:
        """Import every module of receivers, which connects them."""
        import_module("receivers.shop")
        import_module("receivers.lab")
