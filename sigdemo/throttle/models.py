"""What was tried, by whom, how often."""

from django.db import models


class Tally(models.Model):
    """Tries of one client at one thing within one stretch of time."""

    what = models.CharField(max_length=20)
    client = models.CharField(max_length=64, help_text="Who tried, as a keyed hash.")
    until = models.DateTimeField(db_index=True, help_text="The end of the stretch; then the row may go.")
    count = models.PositiveIntegerField()

    class Meta:
        verbose_name_plural = "tallies"
        constraints = (models.UniqueConstraint(fields=("what", "client", "until"), name="throttle_one_tally"),)

    def __str__(self) -> str:
        return f"{self.what}: {self.count}"
