"""The shop in the admin: looked at by staff, changed only where it may be."""

from datetime import date

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sigdemo.shop.models import DailySales, Order, Product, WarehouseNotice
from tests.sigdemo.shop.goods import order

pytestmark = pytest.mark.django_db
MODELS = ["product", "order", "invoice", "dailysales", "warehousenotice"]


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("ada"))
    return client


@pytest.mark.parametrize("model", MODELS)
def test_every_list_opens_and_searches_and_records_are_not_added_by_hand(
    staff: Client, a_bell: Product, model: str
) -> None:
    placed = order({a_bell: 1})
    DailySales.objects.create(date=date(2026, 1, 31), product=a_bell, quantity=1, revenue=10)
    WarehouseNotice.objects.create(key="k", order_number=placed.number, body={"order": placed.number, "lines": []})
    assert staff.get(f"/admin/shop/{model}/").status_code == 200
    assert staff.get(f"/admin/shop/{model}/?q=bell").status_code == 200
    assert staff.get(f"/admin/shop/{model}/add/").status_code == (200 if model == "product" else 403)


def test_an_order_is_shown_with_its_lines_and_cannot_be_changed(staff: Client, a_bell: Product) -> None:
    address = f"/admin/shop/order/{order({a_bell: 1}).pk}/change/"
    page = staff.get(address).content.decode()
    assert "Bell" in page
    assert 'name="_save"' not in page
    assert staff.post(address, {"name": "Eve"}).status_code == 403
    assert Order.objects.get().name == "Ada"
