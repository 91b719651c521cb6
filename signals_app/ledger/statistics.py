"""What clusters say of themselves, kept in the database so that every host sees every cluster."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from signals_app.ledger.dialect import connection
from signals_app.models import ClusterStat


def keep_stat(key: str, package: str, *, queue: str, host: str, seconds: float) -> None:
    """Keep a cluster's latest statistic; it is gone after ``seconds``."""
    now = timezone.now()
    ClusterStat.objects.using(connection().alias).update_or_create(
        key=key,
        defaults={
            "package": package,
            "queue": queue,
            "host": host,
            "seen_at": now,
            "expires_at": now + timedelta(seconds=seconds),
        },
    )


def read_stat(key: str) -> str | None:
    """Return a cluster's statistic, or None when it is gone."""
    return _alive().filter(key=key).values_list("package", flat=True).first()


def read_stats(prefix: str) -> list[str]:
    """Return the statistics of all living clusters whose key starts with a prefix."""
    return list(_alive().filter(key__startswith=prefix).order_by("queue", "key").values_list("package", flat=True))


def forget_old_stats() -> None:
    """Delete the statistics of clusters that have not been heard of for an hour."""
    old = timezone.now() - timedelta(hours=1)
    ClusterStat.objects.using(connection().alias).filter(expires_at__lt=old).delete()


def _alive() -> QuerySet[ClusterStat]:
    return ClusterStat.objects.using(connection().alias).filter(expires_at__gt=timezone.now())
