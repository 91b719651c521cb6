"""``EMAIL_URL`` as Django's mail settings, in the form that the running Django takes."""

from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import django
from django.core.exceptions import ImproperlyConfigured

BACKENDS = {
    "smtp": "smtp",
    "smtp+tls": "smtp",
    "smtps": "smtp",
    "file": "filebased",
    "console": "console",
    "memory": "locmem",
    "dummy": "dummy",
}
PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 465}
TIMEOUT = 10  # seconds for each step of an SMTP conversation
EMAIL_SETTINGS = {  # the options of a mail backend: their names before Django 6.1
    "file_path": "EMAIL_FILE_PATH",
    "host": "EMAIL_HOST",
    "port": "EMAIL_PORT",
    "username": "EMAIL_HOST_USER",
    "password": "EMAIL_HOST_PASSWORD",
    "use_tls": "EMAIL_USE_TLS",
    "use_ssl": "EMAIL_USE_SSL",
    "timeout": "EMAIL_TIMEOUT",
}


def mail_settings(url: str, version: tuple[Any, ...] = django.VERSION) -> dict[str, Any]:
    """Return the mail settings for url: MAILERS, or the EMAIL_ settings it replaced in Django 6.1.

    Raises ImproperlyConfigured when it cannot be read, without repeating it (the password).
    """
    parts = _split(url)
    backend = f"django.core.mail.backends.{BACKENDS[parts.scheme]}.EmailBackend"
    options = _options(parts)
    if version >= (6, 1):
        return {"MAILERS": {"default": {"BACKEND": backend, "OPTIONS": options}}}
    return {"EMAIL_BACKEND": backend} | {EMAIL_SETTINGS[name]: value for name, value in options.items()}


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        known = parts.scheme in BACKENDS and (parts.port is None or parts.port > 0)
    except ValueError:
        known = False
    if not known:
        raise ImproperlyConfigured(
            f"EMAIL_URL cannot be read. Begin it with one of {', '.join(BACKENDS)}, as in "
            "smtp+tls://USER:PASSWORD@HOST:PORT or file:///DIRECTORY, with special characters "
            "percent-encoded."
        )
    return parts


def _options(parts: SplitResult) -> dict[str, Any]:
    if parts.scheme == "file":
        return {"file_path": unquote(parts.path)}
    if parts.scheme not in PORTS:
        return {}
    return {
        "host": parts.hostname or "localhost",
        "port": parts.port or PORTS[parts.scheme],
        "username": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "use_tls": parts.scheme == "smtp+tls",
        "use_ssl": parts.scheme == "smtps",
        "timeout": TIMEOUT,
    }
