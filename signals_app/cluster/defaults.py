"""What Django-Q is given where ``Q_CLUSTER`` says nothing, and its command in place of which ours is run.

Django-Q copies its settings as it is imported, before there are models: so it is imported within functions here.
"""

from __future__ import annotations

import warnings

from django.core.management import get_commands
from django.db import router

from signals_app.conf import cluster_here, defaults, is_seconds


def fill_in() -> None:
    """Give Django-Q what the settings leave out; they themselves stay as they are written."""
    values = cluster_here().values
    timeout, retry = values["timeout"], values["retry"]
    with warnings.catch_warnings():
        if is_seconds(timeout) and is_seconds(retry) and 0 < timeout <= retry:
            warnings.filterwarnings("ignore", message="Retry and timeout are misconfigured")
        from django_q.conf import Conf
    for key, value in defaults(Conf.conf).items():
        setattr(Conf, key.upper(), value)


def follow_routers() -> None:
    """Have plain tasks looked for where the project's routers put them, unless ``Q_CLUSTER["orm"]`` says where."""
    from django_q.conf import Conf
    from django_q.models import OrmQ

    if "orm" in defaults(Conf.conf):
        Conf.ORM = router.db_for_write(OrmQ)


def take_command() -> None:
    """Have ``manage.py qcluster`` be ours although Django-Q, which stands before us, has one of that name."""
    commands = get_commands()  # the dict that Django looks into from now on
    if commands["qcluster"] == "django_q":
        commands["qcluster"] = "signals_app"
