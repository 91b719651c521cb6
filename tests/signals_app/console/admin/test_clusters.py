"""Clusters in the admin."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from signals_app import ledger
from signals_app.models import ClusterStat

pytestmark = pytest.mark.django_db


ADDRESS = "admin:signals_app_clusterstat_changelist"


@pytest.fixture
def page(boss: Client) -> str:
    ledger.keep_stat("q:1", "signed", queue="mail", host="here", seconds=60)
    ledger.keep_stat("q:2", "signed", queue="bulk", host="there", seconds=-60)
    answer = boss.get(reverse(ADDRESS))
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_list_shows_every_cluster_and_whether_it_lives(page: str) -> None:
    body = page.partition("<tbody>")[2]
    marks = ("bulk", 'alt="False"', "mail", 'alt="True"')
    assert sorted(marks, key=body.index) == list(marks)
    assert (page.count('alt="True"'), page.count('alt="False"')) == (1, 1)


def test_the_queries_are_as_many_for_many_clusters_as_for_few(
    page: str, boss: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with CaptureQueriesContext(connection) as few:
        boss.get(reverse(ADDRESS))
    moment = timezone.now()
    ClusterStat.objects.bulk_create(
        ClusterStat(key=f"q:{n}", queue="mail", host=f"host {n}", package="", seen_at=moment, expires_at=moment)
        for n in range(10, 210)
    )
    with django_assert_num_queries(len(few)):
        boss.get(reverse(ADDRESS))


def test_nobody_adds_or_deletes_a_cluster_by_hand(page: str, boss: Client) -> None:
    add = reverse("admin:signals_app_clusterstat_add")
    assert add not in page
    assert "delete_selected" not in page
    assert boss.get(add).status_code == 403
