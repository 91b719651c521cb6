"""What a visitor of the lab may choose."""

from django import forms

from sigdemo.lab.kinds import LONGEST, MOST_RECEIVERS, SHORTEST, Death, Guess, Kind, Plan, Way

SECONDS = f"Enter a duration from {SHORTEST:g} to {LONGEST:g} seconds."
RECEIVERS = f"Enter a whole number of receivers from 1 to {MOST_RECEIVERS}."
CRASH_SECONDS = 2.0  # of work; its worker is killed before half of it is done
SHOWN = (Way.SIGNAL, Way.THREAD, Way.QUEUED)


def crash_plan(death: Death) -> Plan:
    """Return what a crash test does."""
    return Plan(kind=Kind.WAIT, seconds=CRASH_SECONDS, fan_out=1, ways=(Way.THREAD, Way.QUEUED), death=death)


class ShowForm(forms.Form):
    """The guess before the run of the three ways and the crash; none need be made."""

    guess = forms.ChoiceField(
        label="Guess who waits.",
        choices=Guess.choices,
        required=False,
        widget=forms.RadioSelect,
        error_messages={"invalid_choice": "Choose one of the guesses, or none."},
    )

    def plan(self) -> Plan:
        guess, crash = self.cleaned_data["guess"], crash_plan(Death.SIGKILL)
        return Plan(kind=Kind.WAIT, seconds=0.5, fan_out=1, ways=SHOWN, guess=guess, crash=crash)


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
        error_messages=dict.fromkeys(("required", "invalid_choice"), "Choose at least one of the seven ways."),
    )

    def numbers(self) -> list[tuple[forms.BoundField, str]]:
        """Return the fields that take a number, each with what may be entered."""
        return [(self["seconds"], f"s, {SHORTEST:g} to {LONGEST:g}"), (self["fan_out"], f"1 to {MOST_RECEIVERS}")]

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
        error_messages=dict.fromkeys(("required", "invalid_choice"), "Choose how the process is to end."),
    )

    def plan(self) -> Plan:
        return crash_plan(Death(self.cleaned_data["death"]))
