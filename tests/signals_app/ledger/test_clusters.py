"""What clusters say of themselves, in the database."""

from datetime import timedelta

import pytest
from django.utils import timezone

from signals_app import ledger
from signals_app.models import ClusterStat

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def keep(key: str, package: str = "signed", seconds: float = 3) -> None:
    ledger.keep_stat(key, package, queue="sigdemo", host="vm", seconds=seconds)


def test_a_statistic_is_read_back_until_it_expires() -> None:
    keep("q:one")
    keep("q:gone", seconds=-1)
    assert ledger.read_stat("q:one") == "signed"
    assert ledger.read_stat("q:gone") is None
    assert ledger.read_stat("q:never") is None


def test_a_newer_statistic_replaces_the_older() -> None:
    keep("q:one", "old")
    keep("q:one", "new")
    assert ledger.read_stats("q:") == ["new"]


def test_only_the_statistics_of_a_prefix_are_listed() -> None:
    keep("q:one", "1")
    keep("q:two", "2")
    keep("other:one", "3")
    assert sorted(ledger.read_stats("q:")) == ["1", "2"]


def test_statistics_of_clusters_long_gone_are_cleared_away() -> None:
    keep("q:old")
    keep("q:new")
    ClusterStat.objects.filter(key="q:old").update(expires_at=timezone.now() - timedelta(hours=2))
    ledger.forget_old_stats()
    assert ClusterStat.objects.get().key == "q:new"


def test_clusters_are_listed_with_the_age_of_what_they_said() -> None:
    keep("q:one")
    keep("q:gone", seconds=-1)
    ledger.keep_stat("mail:one", "signed", queue="mail", host="other", seconds=3)
    ClusterStat.objects.filter(key="mail:one").update(seen_at=timezone.now() - timedelta(minutes=5))
    found = ledger.clusters()
    assert [(one.queue, one.host, one.is_alive) for one in found] == [
        ("mail", "other", True),
        ("sigdemo", "vm", False),
        ("sigdemo", "vm", True),
    ]
    assert 300 <= found[0].age < 330
    assert 0 <= found[1].age < 30


def test_a_prefix_is_taken_as_it_is() -> None:
    keep("q%:one", "1")
    keep("qx:one", "2")
    assert ledger.read_stats("q%:") == ["1"]
