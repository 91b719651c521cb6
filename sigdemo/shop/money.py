"""Amounts of money: Decimal euros with two places, prices include the tax."""

from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
TAX_RATE = Decimal("0.20")


def to_cents(amount: Decimal) -> Decimal:
    """Round ``amount`` (euros) to whole cents, halves up as on any bill."""
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)


def tax_within(gross: Decimal, rate: Decimal) -> Decimal:
    """Return the tax contained in ``gross`` (euros) at ``rate`` (0.20 is 20%)."""
    return to_cents(gross * rate / (1 + rate))


def euro(amount: Decimal) -> str:
    """Write ``amount`` (euros) as people read it: ``€1,234.50``."""
    return f"€{to_cents(amount):,.2f}"


def percent(rate: Decimal) -> str:
    """Write a rate as people read it: ``0.20`` becomes ``20%``."""
    return f"{(rate * 100).normalize():f}%"
