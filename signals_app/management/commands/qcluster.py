"""``manage.py qcluster``: Django-Q's cluster, under a supervisor."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connections, router
from django_q.management.commands import qcluster
from django_q.models import Task

from signals_app import ledger
from signals_app.cluster import broker
from signals_app.cluster.supervisor import Supervisor
from signals_app.cluster.workarounds import end_workers_in_time, make_log_readable, run_cluster
from signals_app.models import Delivery
from signals_app.worker.connections import keep_connections


class Command(qcluster.Command):  # type: ignore[misc]  # django_q is not typed
    """Starts a Django-Q cluster and keeps it running."""

    help = "Starts a Django Q cluster and starts it anew when it dies or stands still."

    def get_check_kwargs(self, options: dict[str, Any]) -> dict[str, Any]:
        """Have the checks look into the database of the deliveries too, as ``migrate`` does."""
        alias = router.db_for_write(Delivery)
        return {**super().get_check_kwargs(options), "databases": [alias] if alias in connections else []}

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or SIGINT; with ``--run-once`` start and stop as Django-Q does.

        Raises CommandError where the tables are missing. A database that is away is waited for.
        """
        if missing := ledger.missing_tables(Delivery, Task):
            raise CommandError(missing)
        make_log_readable()
        keep_connections()
        end_workers_in_time()
        if options.get("run_once"):
            super().handle(*args, **options)
            return
        name = broker.cluster_name()
        if options.get("cluster_name") not in (None, name):
            raise CommandError(
                f"This process is already set up for the cluster {name!r}. Start the other one with "
                f"Q_CLUSTER_NAME={options['cluster_name']} manage.py qcluster."
            )
        settings.SECRET_KEY  # noqa: B018  # a missing key is said once, here, and not by every restart
        sys.exit(Supervisor(run_cluster, queue=name).run())
