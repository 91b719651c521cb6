"""What a visitor of the lab may choose."""

from typing import Any

from django import forms
from django.http import QueryDict

from sigdemo.lab.kinds import LONGEST, MOST_RECEIVERS, SHORTEST, Death, Kind, Plan, Way

SECONDS = f"Enter a duration from {SHORTEST:g} to {LONGEST:g} seconds."
RECEIVERS = f"Enter a whole number of receivers from 1 to {MOST_RECEIVERS}."
CRASH_SECONDS = 2.0  # of work; its worker is killed before half of it is done


class LabForm(forms.Form):
    """Kind of work, duration, fan-out and ways. Every error says what would be right."""

    kind = forms.ChoiceField(
        label="Kind of work",
        choices=Kind.choices,
        initial=Kind.WAIT,
        widget=forms.RadioSelect,
        error_messages=dict.fromkeys(("required", "invalid_choice"), "Choose one of the kinds of work."),
    )
    seconds = forms.FloatField(
        label="Duration",
        min_value=SHORTEST,
        max_value=LONGEST,
        initial=0.5,
        error_messages=dict.fromkeys(("required", "invalid", "min_value", "max_value"), SECONDS),
        widget=forms.NumberInput(attrs={"step": "0.1", "inputmode": "decimal"}),
    )
    fan_out = forms.IntegerField(
        label="Receivers",
        min_value=1,
        max_value=MOST_RECEIVERS,
        initial=1,
        error_messages=dict.fromkeys(("required", "invalid", "min_value", "max_value"), RECEIVERS),
    )
    ways = forms.MultipleChoiceField(
        label="Ways",
        choices=Way.choices,
        initial=list(Way),
        widget=forms.CheckboxSelectMultiple,
        error_messages=dict.fromkeys(("required", "invalid_choice"), "Choose at least one of the six ways."),
    )

    def __init__(self, data: QueryDict | None = None, **kwargs: Any) -> None:
        """The button "Run all six" counts for more than the boxes."""
        if data is not None and "all" in data:
            data = data.copy()
            data.setlist("ways", list(Way))
        super().__init__(data, **kwargs)

    def plan(self) -> Plan:
        """Return the valid form as a plan, its ways in the lab's order."""
        chosen = set(self.cleaned_data["ways"])
        return Plan(
            kind=Kind(self.cleaned_data["kind"]),
            seconds=self.cleaned_data["seconds"],
            fan_out=self.cleaned_data["fan_out"],
            ways=[way for way in Way if way in chosen],
        )


class CrashForm(forms.Form):
    """How the crash test's process ends."""

    death = forms.ChoiceField(
        label="End the process with",
        choices=Death.choices,
        initial=Death.SIGKILL,
        widget=forms.RadioSelect,
        error_messages=dict.fromkeys(("required", "invalid_choice"), "Choose how the process shall end."),
    )

    def plan(self) -> Plan:
        """Return the valid form as a plan."""
        return Plan(
            kind=Kind.WAIT,
            seconds=CRASH_SECONDS,
            fan_out=1,
            ways=(Way.THREAD, Way.QUEUED),
            death=Death(self.cleaned_data["death"]),
        )
