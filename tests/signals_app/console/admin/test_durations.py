"""Moments as the pages write them."""

from django.utils import timezone

from signals_app.console import formatting
from tests.signals_app.console.admin.rows import NOON


def test_a_moment_that_is_not_known_is_a_dash() -> None:
    assert formatting.moment(None) == "\N{EN DASH}"


def test_a_moment_is_told_in_the_current_time_zone() -> None:
    with timezone.override("Asia/Tokyo"):
        assert formatting.moment(NOON) == (
            '<time class="signals-moment" datetime="2026-11-23T21:00:00+09:00">'
            "<span>2026-11-23</span> <span>21:00:00</span></time>"
        )
