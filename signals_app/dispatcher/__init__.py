"""The sending side: a queued receiver takes a signal in the sender's process and leaves its work to a worker."""

from signals_app.dispatcher.current import current_delivery
from signals_app.dispatcher.receivers import QueuedReceiver, queued, queued_receiver, registry

__all__ = ["QueuedReceiver", "current_delivery", "queued", "queued_receiver", "registry"]
