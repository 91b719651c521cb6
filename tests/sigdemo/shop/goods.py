"""What the tests of the shop buy and sell."""

from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID, uuid4

from django.db.models import QuerySet
from django.test import Client

from sigdemo.shop.checkout import Checkout, place_order
from sigdemo.shop.models import Order, Product
from signals_app.models import Delivery


def bell() -> Product:
    """Put ten bells of 10.00 euros on the shelf."""
    return Product.objects.create(sku="bell", name="Bell", price=Decimal("10.00"), stock=10)


def lamp() -> Product:
    """Put three lamps of 249.90 euros on the shelf."""
    return Product.objects.create(sku="lamp", name="Lamp", price=Decimal("249.90"), stock=3)


def checkout(quantities: Mapping[Product, int], *, token: UUID | None = None, name: str = "Ada") -> Checkout:
    return Checkout(
        name=name,
        email="ada@example.com",
        quantities={product.pk: quantity for product, quantity in quantities.items()},
        token=token or uuid4(),
    )


def order(quantities: Mapping[Product, int], *, name: str = "Ada") -> Order:
    return place_order(checkout(quantities, name=name)).order


def deliveries_of(placed: Order) -> QuerySet[Delivery]:
    assert placed.emission is not None
    return Delivery.objects.filter(emission=placed.emission)


def filled_in(quantities: Mapping[Product, object], **changes: object) -> dict[str, object]:
    """Return the shop's form as a browser would send it; ``changes`` replace fields, None removes one."""
    form: dict[str, object] = {"name": "Ada", "email": "ada@example.com", "token": str(uuid4())}
    form |= {f"quantity-{product.pk}": quantity for product, quantity in quantities.items()}
    return {key: value for key, value in (form | changes).items() if value is not None}


def messages(client: Client, form: dict[str, object]) -> list[str]:
    """Send the shop's form, which must be refused; return what the page says about it."""
    answer = client.post("/shop/", form)
    assert answer.status_code == 422, answer.status_code
    shown = answer.context["form"]
    return [message for errors in shown.errors.values() for message in errors]
