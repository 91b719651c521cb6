"""System checks: what is wrong with the settings, before work can be lost to it."""

from signals_app.checks.app_settings import check_context, check_immediate, check_metrics, check_settings
from signals_app.checks.clusters import check_alternatives, check_broker, check_sync, check_task_database
from signals_app.checks.databases import check_database, check_journal
from signals_app.checks.installed import check_apps
from signals_app.checks.queues import check_queues
from signals_app.checks.timers import check_timers
