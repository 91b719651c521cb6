"""The signals of the shop. They are stock Django signals: whoever sends them knows no receiver."""

from django.dispatch import Signal

order_placed = Signal()  # sent inside the transaction that saves the order; order: Order
stock_changed = Signal()  # sent inside the transaction that changes it; product: Product
