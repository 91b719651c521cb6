"""States and outcomes as people see them: always a word and an icon, never a colour alone."""

from __future__ import annotations

from uuid import UUID

from django.templatetags.static import static
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from signals_app.logs import one_line
from signals_app.models import Attempt, Delivery, Outcome, State
from signals_app.operations.readable import readable_name
from signals_app.origin import delivery_in

_ICON = (
    '<svg class="signals-icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>'
)
_BADGE = '<span class="signals-badge signals-{}">' + _ICON + "{}</span>"


def icon(kind: str) -> SafeString:
    """Return the icon of a kind of badge, alone."""
    return format_html(_ICON, static("signals_app/icons.svg"), kind)


def badge(kind: str, word: object) -> SafeString:
    """Return a badge; ``kind`` names its icon and its colours."""
    return format_html(_BADGE, kind, static("signals_app/icons.svg"), kind, word)


def state_badge(delivery: Delivery) -> SafeString:
    """Return where a delivery stands."""
    return badge(*kind_and_word(State, delivery.state))


def unroutable_badge() -> SafeString:
    """Return the mark of a delivery whose receiver no worker knew."""
    return badge("unroutable", _("unroutable"))


def outcome_badge(attempt: Attempt) -> SafeString:
    """Return how an attempt ended."""
    return badge(*kind_and_word(Outcome, attempt.outcome))


def kind_and_word(choices: type[State | Outcome], value: object) -> tuple[str, str]:
    """Return the kind of a state's or an outcome's badge and its word: what no version of the app wrote is itself."""
    if value not in choices.values:
        return "failed", str(value)
    return str(value).lower().replace("_", "-"), str(choices(value).label)


def progress_bar(delivery: Delivery) -> SafeString | str:
    """Return how far a delivery is, as a ``<progress>`` element; empty where its receiver never said."""
    if not delivery.progress_total:
        return ""
    done, total = delivery.progress_done, delivery.progress_total
    words = f"{done}/{total}"
    return format_html(
        '<span class="signals-progress"><progress max="{}" value="{}" aria-label="{}"></progress> {}</span>',
        total,
        done,
        _("Progress"),
        words,
    )


def name(dotted: str) -> SafeString | str:
    """Return a dotted name with its last part in front, so that a column of them can be read."""
    module, _dot, last = one_line(dotted).rpartition(".")
    if not module:
        return last
    return format_html('<span class="signals-name">{}<small>{}</small></span>', last, module)


def cell(label: object, value: object) -> SafeString:
    """Return a list's value with its column's name, which shows where a narrow screen has no room for columns."""
    return format_html('<span class="signals-label">{}</span> {}', label, value)


def address(site: str, name: str, *args: object) -> str:
    """Return the address of a page of ours in the ``AdminSite`` of that name: there may be more than one."""
    return reverse(f"admin:signals_app_{name}", args=args, current_app=site)


def link_to(site: str, delivery_id: int, text: object) -> SafeString:
    """Return a link to a delivery's page."""
    return format_html('<a href="{}">{}</a>', address(site, "delivery_change", delivery_id), text)


def place(site: str, sent_from: str) -> SafeString | str:
    """Return where an emission was sent from, with secrets masked; another delivery is a link to its page."""
    delivery_id = delivery_in(sent_from)
    return readable_name(sent_from) if delivery_id is None else link_to(site, delivery_id, sent_from)


def emission_link(site: str, emission: UUID) -> SafeString:
    """Return a link to the page of a ``send()``."""
    return format_html('<a href="{}">{}</a>', address(site, "emission", emission), emission)
