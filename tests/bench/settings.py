"""What every contender runs under; the environment says which one this process belongs to.

The same database, opened in the same way, the same number of workers and the same log level (warnings, so that nobody
is measured by the lines it writes) for all. They differ in the apps that are installed and in ``Q_CLUSTER``.
"""

import os
from typing import Any

from sigdemo.database_url import database
from tests.bench.contenders import Q_CLUSTERS, WORKERS

CONTENDER = os.environ["BENCH_CONTENDER"]

SECRET_KEY = "only for the benchmark"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES: dict[str, Any] = {"default": database(os.environ["BENCH_DATABASE"])}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":  # what signals_app would see to by itself
    DATABASES["default"]["OPTIONS"] |= {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
    }
if os.environ["BENCH_CONNECTIONS"] == "reopened":  # as Django does by default; "kept" is what the site does
    DATABASES["default"] |= {"CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": False}

Q_CLUSTER = {"name": "bench", "orm": "default", "workers": WORKERS} | Q_CLUSTERS[CONTENDER]

INSTALLED_APPS = [
    *(["signals_app"] if CONTENDER == "signals_app" else []),
    "django_q",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "tests.bench.apps.BenchConfig",
]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} [{process:d}] {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {name: {"level": "WARNING"} for name in ("signals_app", "django-q", "django")},
}
