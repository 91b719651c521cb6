"""What every queue runs under; ``PEER`` says which one this process belongs to.

The same orders in the same database, opened in the same way, and no log below warnings.
"""

import os
from typing import Any

from sigdemo.database_url import database
from tests.bench.peers.peers import PEERS

PEER = PEERS[os.environ["PEER"]]

SECRET_KEY = "only for the benchmark"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES: dict[str, Any] = {"default": database(os.environ["PEER_DATABASE"])}
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "tests.bench.peers.apps.PeersConfig",
    *PEER.apps,
]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        name: {"level": "WARNING"}
        for name in ("signals_app", "django-q", "huey", "rq.worker", "procrastinate", "django_tasks")
    },
}
globals().update(PEER.settings(os.environ["PEER_STORE"]))
