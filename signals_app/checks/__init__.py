"""System checks: what is wrong with the settings, before work can be lost to it."""

from signals_app.checks.app_settings import check_apps, check_context, check_immediate, check_metrics, check_settings
from signals_app.checks.clusters import (
    check_alternatives,
    check_broker,
    check_queues,
    check_sync,
    check_task_database,
    check_timers,
)
from signals_app.checks.databases import check_database, check_journal
from signals_app.checks.receivers import check_connections, check_times
