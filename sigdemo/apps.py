"""The site as a Django app: its commands, and the templates and statics all its apps share."""

from django.apps import AppConfig


class SigdemoConfig(AppConfig):
    name = "sigdemo"
    verbose_name = "Signals demo"
