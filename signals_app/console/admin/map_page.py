"""The signals map in the admin: what is connected to what, and what came of it within a day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from signals_app.console import formatting
from signals_app.console.admin import map_picture, map_table
from signals_app.console.admin.pages import LIVE, PageAdmin
from signals_app.console.signals_map.graph import Mark, SignalsMap, signals_map
from signals_app.console.signals_map.listeners import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A part of the map to look at."""

    label: str | SafeString
    number: int
    url: str
    is_chosen: bool


class MapAdmin(PageAdmin):
    """The page; ``?show=`` a mark leaves what bears it."""

    template = "admin/signals_app/map.html"

    class Media:
        css: ClassVar = {"all": ("signals_app/admin.css", "signals_app/map.css")}
        js: ClassVar = (LIVE,)

    def page_context(self, request: HttpRequest) -> dict[str, Any]:
        """Look once, and lay out the part that was asked for: five queries."""
        whole = signals_map()
        mark = next((one for one in Mark if one.value == request.GET.get("show")), None)
        part = whole.marked(mark) if mark else whole
        own = [node for node in part.nodes if not node.is_foreign]
        loose = (
            map_table.unconnected(part.unconnected, part.since),
            map_table.unexplained(part.unexplained, part.since),
        )
        return {
            "map": part,
            "choices": _choices(whole, mark, request.path),
            "meaning": _meaning(mark) if mark else "",
            "legend": _legend(),
            "pictures": [map_picture.picture_of(node) for node in own],
            "groups": [*(map_table.group_of(node, part.since) for node in own), *filter(None, loose)],
            "foreign": [map_table.group_of(node, part.since) for node in part.nodes if node.is_foreign],
        }


def _choices(whole: SignalsMap, chosen: Mark | None, address: str) -> list[Choice]:
    connections = sum(len(node.edges) for node in whole.nodes)
    everything = Choice(label=_("All connections"), number=connections, url=address, is_chosen=chosen is None)
    marks = [
        Choice(
            label=formatting.badge(mark.value, mark.label),
            number=whole.count(mark),
            url=f"{address}?show={mark.value}",
            is_chosen=mark == chosen,
        )
        for mark in Mark
    ]
    return [everything, *marks]


def _legend() -> list[tuple[SafeString, str]]:
    meanings = {
        Kind.PLAIN: _("works within send()"),
        Kind.ASYNC: _("is awaited within send()"),
        Kind.QUEUED: _("works in a worker"),
    }
    return [(formatting.badge(kind.value, kind.label), meaning) for kind, meaning in meanings.items()]


def _meaning(mark: Mark) -> str:
    """Say what a mark means, and what to do about it."""
    return {
        Mark.FAILING: _("Queued receivers of whose deliveries some failed. The numbers lead to them."),
        Mark.PAUSED: _("Queued receivers that are paused, or whose queue is: what waits for them stays ready."),
        Mark.UNHEARD: _("Signals of the project that call nobody: what sends them may have lost its receivers."),
        Mark.UNSENT: _(
            "Queued receivers without a delivery in the time counted: nobody sent their signal, their when said no, "
            "or they are connected to none. Plain and async receivers leave no record, so nothing is known of them."
        ),
        Mark.DEAD: _(
            "Connections that Django will drop: nobody but the signal held the receiver or the sender. "
            "Keep a reference to it, or connect it with weak=False."
        ),
        Mark.UNEXPLAINED: _(
            "Deliveries whose receiver is not connected to their signal in this process. It was renamed, removed or "
            "called by hand, or only other processes connect it."
        ),
    }[mark]
