"""What a visitor may fill in."""

import unicodedata
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms import BoundField
from django.http import QueryDict

from sigdemo.shop.checkout import Checkout
from sigdemo.shop.models import MOST_PIECES, Product

QUANTITY = "quantity-"
MOST_FAILURES = 20


def refuse_control_characters(value: str) -> None:
    """Raise ``ValidationError`` for line breaks and other characters that could forge a header."""
    if any(unicodedata.category(sign) in {"Cc", "Cs", "Zl", "Zp"} for sign in value):
        raise ValidationError("Leave out line breaks and control characters.", code="control")


class OrderForm(forms.Form):
    """Quantities of the products on sale, the customer's name and e-mail address.

    Every error says which product or field it means. Prices are no part of the form.
    """

    name = forms.CharField(
        label="Your name",
        max_length=100,
        validators=[refuse_control_characters],
        error_messages={"required": "Tell us your name."},
        widget=forms.TextInput(attrs={"autocomplete": "name", "maxlength": None}),
    )
    email = forms.EmailField(
        label="E-mail address",
        max_length=254,
        error_messages={
            "required": "Tell us where to send the confirmation.",
            "invalid": "Enter one plain e-mail address, such as ada@example.com.",
        },
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    token = forms.UUIDField(widget=forms.HiddenInput, required=False)

    def __init__(self, products: Iterable[Product], data: Any = None) -> None:
        """Offer ``products``; ``data`` is the POST of a visitor or None for a fresh form."""
        super().__init__(data, initial={"token": uuid.uuid4()}, label_suffix="")
        self.products = list(products)
        for product in self.products:
            self.fields[f"{QUANTITY}{product.pk}"] = _quantity_field(product)

    def offers(self) -> Iterator[tuple[Product, BoundField]]:
        """Yield each product with its quantity field, for the template."""
        for product in self.products:
            yield product, self[f"{QUANTITY}{product.pk}"]

    def clean_token(self) -> uuid.UUID:
        """Require the hidden token, which makes sending the form twice harmless."""
        token = self.cleaned_data["token"]
        if not isinstance(token, uuid.UUID):
            raise ValidationError("missing")
        return token

    def clean(self) -> dict[str, Any]:
        """Refuse products that are not for sale and orders without any line."""
        strangers = [key for key in self.data if key.startswith(QUANTITY) and key not in self.fields]
        if strangers:
            self.add_error(None, _unknown_product(strangers[0]))
        if self.errors.pop("token", None):
            self._give_new_token()
            self.add_error(None, "The form has lost its token. Send it again.")
        quantities_valid = not any(key.startswith(QUANTITY) for key in self.errors)
        if quantities_valid and not strangers and not self._quantities():
            self.add_error(None, "Your order is empty. Choose a quantity for at least one product.")
        return self.cleaned_data

    def checkout(self) -> Checkout:
        """Return the valid form as the order it asks for."""
        return Checkout(
            name=self.cleaned_data["name"],
            email=self.cleaned_data["email"],
            quantities=self._quantities(),
            token=self.cleaned_data["token"],
        )

    def _give_new_token(self) -> None:
        given = QueryDict(mutable=True)
        given.update(self.data)
        given["token"] = str(uuid.uuid4())
        self.data = given

    def _quantities(self) -> dict[int, int]:
        chosen = {product.pk: self.cleaned_data.get(f"{QUANTITY}{product.pk}") or 0 for product in self.products}
        return {product_id: quantity for product_id, quantity in chosen.items() if quantity}


class OutageForm(forms.Form):
    """How many of the next requests the demo's warehouse shall refuse."""

    failures = forms.IntegerField(
        label="Refuse the next",
        min_value=0,
        max_value=MOST_FAILURES,
        error_messages=dict.fromkeys(
            ("required", "invalid", "min_value", "max_value"),
            f"Enter a whole number from 0 to {MOST_FAILURES}.",
        ),
    )


def _quantity_field(product: Product) -> forms.IntegerField:
    whole = f"{product.name}: enter a whole number from 0 to {MOST_PIECES}."
    field = forms.IntegerField(
        label=f"Quantity of {product.name}",
        min_value=0,
        max_value=MOST_PIECES,
        required=False,
        error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), whole),
    )
    field.widget.attrs.update({"inputmode": "numeric", "data-price": str(product.price)})
    return field


def _unknown_product(key: str) -> str:
    shown = "".join(sign for sign in key.removeprefix(QUANTITY)[:20] if sign.isprintable())
    return f"There is no product “{shown}” for sale. Reload the page and choose again."
