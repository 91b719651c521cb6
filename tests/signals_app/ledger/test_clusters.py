"""What clusters say of themselves, in the database."""

from datetime import timedelta

import pytest
from django.utils import timezone

from signals_app import ledger
from signals_app.models import ClusterStat

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def keep(key: str, package: str = "signed", seconds: float = 3, queue: str = "sigdemo", host: str = "vm") -> None:
    ledger.keep_stat(key, package, queue=queue, host=host, seconds=seconds)


def test_a_statistic_is_read_back_until_it_is_replaced_or_expires() -> None:
    keep("q:one", "old")
    keep("q:one", "new")
    keep("q:gone", seconds=-1)
    assert [ledger.read_stat(key) for key in ("q:one", "q:gone", "q:never")] == ["new", None, None]


def test_only_the_statistics_of_a_prefix_are_listed_which_is_taken_as_it_is() -> None:
    for number, key in enumerate(("q%:one", "q%:two", "qx:one")):
        keep(key, str(number))
    assert ledger.read_stats("q%:") == ["0", "1"]


def test_clusters_are_listed_with_the_age_of_what_they_said_until_they_are_long_gone() -> None:
    keep("q:one")
    keep("q:gone", seconds=-1)
    keep("q:forgotten")
    keep("mail:one", queue="mail", host="other")
    ClusterStat.objects.filter(key="q:forgotten").update(expires_at=timezone.now() - timedelta(hours=2))
    ClusterStat.objects.filter(key="mail:one").update(seen_at=timezone.now() - timedelta(minutes=5))
    ledger.forget_old_stats()
    found = ledger.clusters()
    assert [(one.queue, one.host, one.is_alive) for one in found] == [
        ("mail", "other", True),
        ("sigdemo", "vm", False),
        ("sigdemo", "vm", True),
    ]
    assert 300 <= found[0].age < 330
    assert 0 <= found[1].age < 30
