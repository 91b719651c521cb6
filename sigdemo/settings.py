"""The site's settings, read from the environment.

Variables may also stand in a file ``.env`` beside manage.py (``ENV_FILE`` names another), and a
secret in a file of its own (``SECRET_KEY_FILE=/run/secrets/key``). What is set in the environment
itself wins. Nothing set means production: DEBUG is off, TLS is expected. SECRET_KEY is always required.
For the demo, ``make run`` writes a ``.env`` with DEBUG and a key.
"""

import logging
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import django
from django.core.exceptions import ImproperlyConfigured
from environs import FileAwareEnv, validate

from sigdemo.database_url import database
from sigdemo.email_url import mail_settings

BASE_DIR = Path(__file__).resolve().parent.parent

env = FileAwareEnv()
ENV_FILE: Path = env.path("ENV_FILE", BASE_DIR / ".env")
env.read_env(ENV_FILE, recurse=False)

# Where the site runs

DEBUG = env.bool("DEBUG", False)
VAR_DIR: Path = env.path("VAR_DIR", BASE_DIR / "var").resolve()
VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)  # orders, mails, invoices and keys are in it
if VAR_DIR == BASE_DIR / "var" and VAR_DIR.stat().st_uid == os.geteuid():
    VAR_DIR.chmod(0o700)  # it is the site's own; another one that somebody made is only warned of
BIND = env.str("BIND", "127.0.0.1")
PORT = env.int("PORT", 8000, validate=validate.Range(1, 65535))
SITE_URL = env.str("SITE_URL", f"http://127.0.0.1:{PORT}").rstrip("/")
WAREHOUSE_URL = env.str("WAREHOUSE_URL", f"{SITE_URL}/shop/warehouse/")
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"] if DEBUG else [])
TLS_PROXY = env.str("TLS_PROXY", "127.0.0.1")
PROXIES = env.int("PROXIES", 0, validate=validate.Range(0))
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", [])
SECRET_KEY = env.str("SECRET_KEY", "")
if not SECRET_KEY:
    raise ImproperlyConfigured(
        "SECRET_KEY is not set. Set it (or SECRET_KEY_FILE) to a long random string that you keep; "
        "for the demo, make run writes one to .env."
    )

# What it is made of

INSTALLED_APPS = [
    "sigdemo.apps.SigdemoConfig",
    "signals_app",
    "django_q",
    "receivers.apps.ReceiversConfig",
    "sigdemo.shop.apps.ShopConfig",
    "sigdemo.lab.apps.LabConfig",
    "sigdemo.throttle.apps.ThrottleConfig",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "csp",
]
MIDDLEWARE = [
    "csp.middleware.CSPMiddleware",  # before those that answer themselves, for redirects and statics
    "sigdemo.middleware.BrowserRights",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "sigdemo.middleware.Refusals",
    "sigdemo.middleware.DatabaseAway",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "signals_app.middleware.OriginMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
ROOT_URLCONF = "sigdemo.urls"
WSGI_APPLICATION = "sigdemo.wsgi.application"
ASGI_APPLICATION = "sigdemo.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Data, files, mail

DATABASES: dict[str, Any] = {
    "default": database(env.str("DATABASE_URL", f"sqlite:///{quote(str(VAR_DIR))}/db.sqlite3"))
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_ALLOW_ALL_ORIGINS = False
MEDIA_ROOT = VAR_DIR / "media"
globals().update(mail_settings(env.str("EMAIL_URL", (VAR_DIR / "mail").as_uri())))
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "shop@localhost")

# Work off the web

Q_CLUSTER: dict[str, Any] = {
    "name": "sigdemo",
    "workers": (WORKERS := env.int("WORKERS", 2, validate=validate.Range(1))),
    "queue_limit": WORKERS,  # more would only wait in the memory of a process
    "max_attempts": 5,  # of a plain task that fails; deliveries have their receivers' own
    "ALT_CLUSTERS": {"lab-crash": {}},  # the lab's crash test starts the workers of this queue itself
}
SIGNALS_APP: dict[str, Any] = {
    "DJANGO_Q_ADMIN": env.bool("DJANGO_Q_ADMIN", False),
    "METRICS_TOKEN": env.str("METRICS_TOKEN", ""),
    "ON_DEMAND_QUEUES": ("lab-crash",),
}

TASKS: dict[str, dict[str, Any]] = {"default": {"BACKEND": "signals_app.tasks.DeliveryBackend"}}
INSTALLED_APPS += ["django_tasks"] if django.VERSION < (6, 0) else []  # where Django has none of its own

# People: language, passwords

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# Safety

TLS = env.bool("TLS", not DEBUG)
SECURE_SSL_REDIRECT = TLS
SECURE_REDIRECT_EXEMPT = [r"^health/"]  # probes take a redirect for an answer
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", 3600, validate=validate.Range(0)) if TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("HSTS_INCLUDE_SUBDOMAINS", False)
SECURE_HSTS_PRELOAD = env.bool("HSTS_PRELOAD", False)
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # bytes of a whole request: the site takes no files
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = TLS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "object-src": ["'none'"],
    }
}

# What it says of itself

LOG_LEVEL = env.log_level("LOG_LEVEL", logging.INFO)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "sigdemo.log_lines.OneRecord",
            "fmt": "{asctime} {levelname} {name} [{process:d}] {message}",
            "style": "{",
        },
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    # "django" is named to take away the handlers it has by default, which would say all twice.
    "loggers": {name: {"level": LOG_LEVEL} for name in ("signals_app", "sigdemo", "receivers", "django-q", "django")}
    | {"waitress.queue": {"level": "ERROR"}},  # a line for each request that waits for a thread
}
