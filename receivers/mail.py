"""The e-mails of the shop, as text and HTML."""

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from sigdemo.shop.models import Order


def confirmation(order: Order) -> EmailMultiAlternatives:
    """Return the unsent confirmation of ``order``.

    Its Message-ID is the order's, so a mail program shows one mail even where two were sent.
    """
    context = {"order": order, "lines": order.lines.all(), "site_url": settings.SITE_URL}
    message = EmailMultiAlternatives(
        subject=f"Your order {order.number}",
        body=render_to_string("receivers/confirmation.txt", context),
        to=[order.email],
        headers={"Message-ID": f"<{order.public_id}.confirmation@shop.invalid>"},
    )
    message.attach_alternative(render_to_string("receivers/confirmation.html", context), "text/html")
    return message
