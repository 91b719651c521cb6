"""The shop's page: what it shows, what it takes and what it refuses."""

from collections.abc import Iterator

import pytest
from django.test import Client

from sigdemo.shop.models import Order, OrderLine, Product
from signals_app.models import Delivery
from tests.sigdemo.shop.goods import filled_in, messages

pytestmark = pytest.mark.django_db
EMPTY = "Your order is empty. Choose a quantity for at least one product."
BAD_QUANTITY = "Bell: enter a whole number from 0 to 99."
BAD_EMAIL = "Enter one plain e-mail address, such as ada@example.com."
CONTROL = "Leave out line breaks and control characters."


@pytest.fixture(autouse=True)
def nothing_is_written_by_a_refused_form(db: None, request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test of this module refuses, it must not have kept."""
    yield
    kept = any(model.objects.exists() for model in (Order, OrderLine, Delivery))
    assert kept is ("placed" in request.node.name)


def test_products_on_sale_are_shown_with_price_and_stock(client: Client, a_bell: Product) -> None:
    Product.objects.create(sku="old", name="Withdrawn thing", price=1, stock=1, active=False)
    page = client.get("/shop/").content.decode()
    assert all(words in page for words in ("Bell", "€10.00", "10 in stock"))
    assert "Withdrawn thing" not in page
    Product.objects.all().delete()
    assert "python manage.py seed_shop" in client.get("/shop/").content.decode()


def test_a_form_placed_twice_leads_to_its_first_order_and_says_so(client: Client, a_bell: Product) -> None:
    form = filled_in({a_bell: 1}, price="0.01", **{f"price-{a_bell.pk}": "0.01"})
    answer = client.post("/shop/", form)
    placed = Order.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, placed.get_absolute_url())
    assert placed.total == a_bell.price  # whatever the form says
    page = client.post("/shop/", form, follow=True).content.decode()
    assert f"Order {placed.number}" in page
    assert "That form had been sent before, so no second order was placed" in page
    assert Order.objects.count() == 1


@pytest.mark.parametrize("stranger", ["999999", "x", "-1", "9" * 400, "<b>"])
def test_an_unknown_product_is_refused(client: Client, a_bell: Product, stranger: str) -> None:
    form = filled_in({a_bell: 1}) | {f"quantity-{stranger}": "1"}
    [message] = messages(client, form)
    assert message.startswith("There is no product “")
    assert message.endswith("” for sale. Reload the page and choose again.")
    assert len(message) < 100
    Product.objects.update(active=False)
    [message] = messages(client, filled_in({a_bell: 1}))
    assert message == f"There is no product “{a_bell.pk}” for sale. Reload the page and choose again."


def test_too_little_stock_is_named_and_the_form_comes_back_filled_in(client: Client, a_lamp: Product) -> None:
    answer = client.post("/shop/", form := filled_in({a_lamp: 5}))
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Lamp: only 3 left, you asked for 5" in page
    assert 'value="5"' in page
    assert f'value="{form["token"]}"' in page
    assert 'value="ada@example.com"' in page


QUANTITIES = ["-1", "100", "1.5", "1e3", "two", "9" * 5000, "0x10", "NaN", "∞", "1,5", "--1", " "]
NAMES = ["Ada\nBcc: all@example.com", "Ada\rX", "Ada\u2028X", "A\x1bB", "A\x7fB"]
ADDRESSES = [
    "ada@example.com\nBcc: all@example.com",
    "ada@example.com\r\n\r\nbody",
    "ada@example.com%0ABcc:x@example.com,",
    "ada@example.com, bob@example.com",
    "Ada <ada@example.com>",
    "ada",
    "@example.com",
]


@pytest.mark.parametrize(
    ("quantity", "fields", "said"),
    [
        *((quantity, {}, [BAD_QUANTITY]) for quantity in QUANTITIES),
        *((quantity, {}, [EMPTY]) for quantity in ("", "0", "00")),
        (1, {"name": None, "email": " "}, ["Tell us your name.", "Tell us where to send the confirmation."]),
        *((1, {"name": name}, [CONTROL]) for name in NAMES),
        (1, {"name": "x" * 101}, ["Ensure this value has at most 100 characters (it has 101)."]),
        *((1, {"email": address}, [BAD_EMAIL]) for address in ADDRESSES),
        (1, {"email": "a" * 250 + "@example.com"}, ["Ensure this value has at most 254 characters (it has 262)."]),
    ],
)
def test_a_field_that_makes_no_sense_is_named(
    client: Client, a_bell: Product, quantity: object, fields: dict[str, str | None], said: list[str]
) -> None:
    assert messages(client, filled_in({a_bell: quantity}, **fields)) == said


@pytest.mark.parametrize("token", [None, "", "no-uuid"])
def test_a_form_without_its_token_is_refused_and_gets_a_new_one(
    client: Client, a_bell: Product, token: str | None
) -> None:
    answer = client.post("/shop/", filled_in({a_bell: 1}, token=token))
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "The form has lost its token. Send it again." in page
    again = answer.context["form"]["token"].value()
    assert str(again) in page


def test_a_forged_form_or_one_with_too_many_fields_is_refused(client: Client, a_bell: Product) -> None:
    answer = Client(enforce_csrf_checks=True).post("/shop/", filled_in({a_bell: 1}))
    assert answer.status_code == 403
    assert (
        "Allow cookies for this site, reload the form and send it again. Nothing was done." in answer.content.decode()
    )
    form = filled_in({a_bell: 1}) | {f"quantity-{number}": "1" for number in range(2000)}
    assert client.post("/shop/", form).status_code == 400
    assert (client.put("/shop/").status_code, client.delete("/shop/").status_code) == (405, 405)
