"""The confirmation as a real mail server gets it."""

import socket
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from pytest_django import Settings

from receivers import shop
from sigdemo.email_url import mail_settings
from sigdemo.shop.checkout import Checkout
from sigdemo.shop.models import Order


class Inbox:
    """Takes every mail and keeps it."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 (the server calls it so)
        """Keep a mail."""
        self.envelopes.append(envelope)
        return "250 OK"


def free_port() -> int:
    """Return a port that nobody listens on; the server cannot choose one itself."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def inbox(settings: Settings) -> Iterator[Inbox]:
    """A mail server on a free port, to which the site sends."""
    kept = Inbox()
    controller = Controller(kept, hostname="127.0.0.1", port=free_port())
    controller.start()
    for name, value in mail_settings(f"smtp://{controller.hostname}:{controller.port}").items():
        setattr(settings, name, value)
    try:
        yield kept
    finally:
        controller.stop()


def test_it_arrives_with_both_bodies_and_nobody_else_gets_it(placed: Order, inbox: Inbox) -> None:
    placed.name = "Zoë"
    shop.send_confirmation.func(sender=Checkout, order=placed)

    [envelope] = inbox.envelopes
    assert envelope.rcpt_tos == ["ada@example.com"]
    assert isinstance(envelope.content, bytes)
    message = message_from_bytes(envelope.content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert message["Subject"] == f"Your order {placed.number}"
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert "Hello Zoë," in plain.get_content()
    assert "<p>Hello Zoë,</p>" in html.get_content()
    assert "€269.90" in html.get_content()
