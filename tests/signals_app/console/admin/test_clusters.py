"""Clusters in the admin."""

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from signals_app import ledger
from signals_app.models import ClusterStat

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client: Client) -> str:
    client.force_login(get_user_model().objects.create_superuser("root"))
    ledger.keep_stat("q:1", "signed", queue="mail", host="here", seconds=60)
    ledger.keep_stat("q:2", "signed", queue="bulk", host="there", seconds=-60)
    answer = client.get(reverse("admin:signals_app_clusterstat_changelist"))
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_list_shows_every_cluster_and_whether_it_lives(page: str) -> None:
    dead, alive = page.index("bulk"), page.index("mail")
    assert page.count('alt="True"') == 1
    assert page.count('alt="False"') == 1
    assert dead < page.index('alt="False"') < page.index('alt="True"')
    assert alive


def test_the_queries_are_as_many_for_many_clusters_as_for_few(
    page: str, client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    address = reverse("admin:signals_app_clusterstat_changelist")
    with CaptureQueriesContext(connection) as few:
        client.get(address)
    moment = timezone.now()
    ClusterStat.objects.bulk_create(
        ClusterStat(key=f"q:{n}", queue="mail", host=f"host {n}", package="", seen_at=moment, expires_at=moment)
        for n in range(10, 10_010)
    )
    with django_assert_num_queries(len(few)):
        client.get(address)


def test_nobody_adds_or_deletes_a_cluster_by_hand(page: str, client: Client) -> None:
    add = reverse("admin:signals_app_clusterstat_add")
    assert add not in page
    assert "delete_selected" not in page
    assert client.get(add).status_code == 403
