"""What was tried, by whom, how often."""

from django.db import models


class Tally(models.Model):
    """The latest tries of one client at one thing."""

    what = models.CharField(max_length=20)
    client = models.CharField(max_length=64, help_text="Who tried, as a keyed hash.")
    tries = models.JSONField(default=list, help_text="When, in seconds since 1970, the oldest first.")
    until = models.DateTimeField(db_index=True, help_text="When none of them counts any more; then the row may go.")

    class Meta:
        verbose_name_plural = "tallies"
        constraints = (models.UniqueConstraint(fields=("what", "client"), name="throttle_one_tally"),)

    def __str__(self) -> str:
        return f"{self.what}: {len(self.tries)}"
