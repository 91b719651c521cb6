"""The sending side: a queued receiver takes a signal in the sender's process and leaves its work to a worker."""

from django.core.exceptions import AppRegistryNotReady

try:
    from signals_app.dispatcher.batches import BatchResult, batch
    from signals_app.dispatcher.bulk import bulk, send_each, send_for
    from signals_app.dispatcher.current import current_delivery
    from signals_app.dispatcher.receivers import QueuedReceiver, queued, queued_receiver, registry
    from signals_app.dispatcher.schedules import schedule, scheduled
    from signals_app.dispatcher.sending import sending
except AppRegistryNotReady:
    raise AppRegistryNotReady(
        "signals_app.dispatcher is imported before Django has loaded the apps: import it in an app's receivers module, "
        "which is imported as Django starts."
    ) from None

__all__ = [
    "BatchResult",
    "QueuedReceiver",
    "batch",
    "bulk",
    "current_delivery",
    "queued",
    "queued_receiver",
    "registry",
    "schedule",
    "scheduled",
    "send_each",
    "send_for",
    "sending",
]
