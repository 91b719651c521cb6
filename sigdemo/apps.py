"""The site as a Django app: its commands, its admin, and the templates and statics all its apps share."""

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register  # noqa: A004 (Django's own name)


class SigdemoConfig(AppConfig):
    name = "sigdemo"
    verbose_name = "Signals demo"


@register(Tags.security)
def check_files(**_: object) -> list[CheckMessage]:
    """Warn of data and of secrets that every user of the machine can read."""
    found = {settings.VAR_DIR: "where orders, mails and invoices are", settings.ENV_FILE: "where secrets may be"}
    return [
        Warning(
            f"Other users of this machine can look into {path}, {what}.",
            hint=f"Run: chmod go= {path}",
            id="sigdemo.W001",
        )
        for path, what in found.items()
        if (path.is_dir() or path.is_file()) and path.stat().st_mode & 0o077
    ]
