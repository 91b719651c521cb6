"""Whether anybody is there to do queued work."""

from django.utils import timezone

from signals_app.conf import conf
from signals_app.models import ClusterStat


def is_alive() -> bool:
    """Tell whether a cluster that serves the site's queue has reported in the last seconds."""
    return ClusterStat.objects.filter(queue=conf.queue, expires_at__gt=timezone.now()).exists()
