"""The site's settings, for the tests.

One run of the tests, or each of the processes that share it (pytest-xdist), has one directory, ``TEST_RUN_DIR``:
its databases, files and mail are in it, and it goes away with the process that made it. ``TEST_DATABASE_URL``
puts the default database elsewhere, such as on PostgreSQL; the alias ``other`` stays on SQLite, for tests with
two databases.

Databases are files, never memory, so that real processes share them with the tests. Such a process
inherits the environment and is started with ``TEST_RUN_DB=1`` and ``--settings tests.settings``: it
then uses the *test* databases, which in the tests' own process bear another name until the test
runner has made them.
"""

import atexit
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

_run = os.environ.get("PYTEST_XDIST_WORKER", "alone")
if os.environ.get("TEST_RUN") != _run:  # the clusters that it starts inherit it
    _run_dir = tempfile.mkdtemp(prefix="sigdemo-tests-")
    atexit.register(shutil.rmtree, _run_dir, ignore_errors=True)
    for _name in (
        "EMAIL_URL",
        "LOG_LEVEL",
        "PORT",
        "Q_CLUSTER_NAME",
        "SITE_URL",
        "WAREHOUSE_URL",
        "WORKERS",
    ):
        os.environ.pop(_name, None)
        os.environ.pop(f"{_name}_FILE", None)
    os.environ.pop("SECRET_KEY_FILE", None)
    os.environ |= {
        "TEST_RUN": _run,
        "TEST_RUN_DIR": _run_dir,
        "VAR_DIR": _run_dir,
        "ENV_FILE": os.devnull,
        "DEBUG": "false",
        "TLS": "false",
        "SECRET_KEY": "only for the tests",
        "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
        "DATABASE_URL": os.environ.get("TEST_DATABASE_URL") or f"sqlite:///{_run_dir}/default.sqlite3",
    }

import django

from sigdemo.database_url import database
from sigdemo.settings import *  # noqa: F403
from sigdemo.settings import DATABASES, INSTALLED_APPS, Q_CLUSTER, STATIC_ROOT, STORAGES, TASKS

RUN_DIR = Path(os.environ["TEST_RUN_DIR"])

INSTALLED_APPS += ["tests.testapp.apps.TestAppConfig", "tests.payload_app.apps.PayloadAppConfig"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
STATIC_ROOT.mkdir(exist_ok=True)  # WhiteNoise warns of one that is missing
WHITENOISE_USE_FINDERS = True

DATABASES["other"] = database(f"sqlite:///{RUN_DIR}/other.sqlite3")
DATABASES["other"]["OPTIONS"] |= {"transaction_mode": "IMMEDIATE", "timeout": 20}  # it has no deliveries
for _alias, _database in DATABASES.items():
    _sqlite = _database["ENGINE"] == "django.db.backends.sqlite3"
    _test_name = f"{RUN_DIR}/test_{_alias}.sqlite3" if _sqlite else f"test_{RUN_DIR.name}"
    _database["TEST"] = {"NAME": _test_name}
    if os.environ.get("TEST_RUN_DB") == "1":
        _database["NAME"] = _test_name

# clusters share the file with the tests, which put none into WAL by themselves
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"]["init_command"] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"

# a site that talks to its database in another way, such as through a pool in its web processes: JSON
if _options := json.loads(os.environ.get("TEST_OPTIONS", "{}")):
    DATABASES["default"]["OPTIONS"] |= _options
    if "pool" in _options:
        DATABASES["default"]["CONN_MAX_AGE"] = 0
if "TEST_CONN_MAX_AGE" in os.environ:
    DATABASES["default"]["CONN_MAX_AGE"] = int(os.environ["TEST_CONN_MAX_AGE"])

Q_CLUSTER["ALT_CLUSTERS"]["elsewhere"] = {}  # some receivers of the tests name it
# a cluster on a host whose clock is wrong by so many seconds
if _shift := float(os.environ.get("TEST_CLOCK_SHIFT", "0")):
    import time_machine  # which takes as long to load as half of Django

    time_machine.travel(time.time() + _shift, tick=True).start()

TASKS["default"]["QUEUES"] = ["default", "elsewhere"]
_tasks = "django.tasks" if django.VERSION >= (6, 0) else "django_tasks"
TASKS["immediate"] = {"BACKEND": f"{_tasks}.backends.immediate.ImmediateBackend"}

# a cluster of a test that needs other settings: JSON
SIGNALS_APP = json.loads(os.environ.get("TEST_SIGNALS_APP", "{}"))
Q_CLUSTER |= json.loads(os.environ.get("TEST_Q_CLUSTER", "{}"))
