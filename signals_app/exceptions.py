"""What can go wrong, one class each; the docstring of a class is its message when it is raised bare."""


class SignalsAppError(Exception):
    """The signals_app could not do what it was asked."""

    def __str__(self) -> str:
        return super().__str__() or (type(self).__doc__ or "").strip()


class PayloadError(SignalsAppError):
    """A signal argument cannot travel to a worker."""

    path = ""  # of a payload that cannot be read: the part that is wrong, such as ``order.lines[3]``


class PayloadTooLarge(PayloadError):
    """The arguments of a signal are larger than SIGNALS_APP["MAX_PAYLOAD"] allows."""


class MissingObject(SignalsAppError):
    """A model instance named by a payload no longer exists."""


class ReceiverError(SignalsAppError):
    """A function cannot be a queued receiver, because a worker could not find or call it."""


class PermanentFailure(SignalsAppError):
    """Raised by a receiver: trying again cannot help; the delivery is FAILED at once."""


class ResultError(PermanentFailure):
    """What a task returned cannot be kept."""


class ChainTooLong(PermanentFailure):
    """Receivers send to one another, or to themselves, more often than SIGNALS_APP["MAX_DEPTH"] allows."""


class RetryAfter(SignalsAppError):
    """Raised by a receiver: this delivery should run again after the given number of seconds."""

    def __init__(self, seconds: float, reason: str = "") -> None:
        """Take the delay in seconds (zero or more) and, for the record, the reason.

        Raises ValueError for a negative delay or one that is not a finite number.
        """
        if not 0 <= seconds < float("inf"):
            raise ValueError(f"RetryAfter takes zero or more seconds, not {seconds!r}.")
        super().__init__(reason or f"The receiver asked to run again after {seconds:g} s.")
        self.seconds = float(seconds)


class Defer(SignalsAppError):
    """Raised by a receiver: this delivery comes back after the given number of seconds, and this was no attempt."""

    def __init__(self, seconds: float, reason: str = "") -> None:
        """Take the delay in seconds (more than zero) and, for the log, the reason.

        Raises ValueError for a delay that is not more than zero or not a finite number.
        """
        if not 0 < seconds < float("inf"):
            raise ValueError(f"Defer takes more than zero seconds, not {seconds!r}.")
        super().__init__(reason or f"The receiver put it off by {seconds:g} s.")
        self.seconds = float(seconds)


class OperationRefused(SignalsAppError):
    """An operator asked for what cannot be done."""


class TransactionLeftOpen(SignalsAppError):
    """A receiver returned with a transaction of its own still open."""


class NotBegun(SignalsAppError):
    """The database failed before the receiver was called, so it was not."""


class LeaseLost(SignalsAppError):
    """Another claim holds this delivery now; what this worker did for it is not recorded."""
