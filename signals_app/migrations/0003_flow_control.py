from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("signals_app", "0002_flow"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="delivery",
            name="signals_app_parked",
        ),
        migrations.AddField(
            model_name="delivery",
            name="batch",
            field=models.BigIntegerField(blank=True, help_text="The batch that waits for its end.", null=True),
        ),
        migrations.AddField(
            model_name="delivery",
            name="behind",
            field=models.BooleanField(
                db_default=False, default=False, help_text="Parked until others of its lane have ended."
            ),
        ),
        migrations.AddField(
            model_name="delivery",
            name="blocks_lane",
            field=models.BooleanField(
                db_default=False, default=False, help_text="Those behind it wait even when it has FAILED."
            ),
        ),
        migrations.AddField(
            model_name="delivery",
            name="booked",
            field=models.BooleanField(
                db_default=False, default=False, help_text="Its due time is its turn by the rate of its bucket."
            ),
        ),
        migrations.AddField(
            model_name="delivery",
            name="bucket",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Those of a bucket run at a limited rate.",
                max_length=255,
            ),
        ),
        migrations.AddField(
            model_name="delivery",
            name="coalesce_key",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Those of one receiver and key are run as one.",
                max_length=255,
            ),
        ),
        migrations.AddField(
            model_name="delivery",
            name="lane",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="How many of a lane run at a time is limited.",
                max_length=255,
            ),
        ),
        migrations.AddField(
            model_name="delivery",
            name="merged_into",
            field=models.BigIntegerField(blank=True, help_text="The delivery that ran in its place.", null=True),
        ),
        migrations.AddField(
            model_name="delivery",
            name="slot",
            field=models.SmallIntegerField(
                blank=True,
                help_text="Since it has begun, its place among those of its lane that run at a time.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="delivery",
            name="waiting_since",
            field=models.DateTimeField(
                blank=True, help_text="When the oldest of those merged into it was sent.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="parked",
            field=models.BooleanField(
                default=False,
                help_text="Set aside, out of the way of claims: its receiver is paused, or it waits behind others of its lane.",
            ),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="state",
            field=models.CharField(
                choices=[
                    ("READY", "ready"),
                    ("RUNNING", "running"),
                    ("SUCCESSFUL", "successful"),
                    ("FAILED", "failed"),
                    ("CANCELLED", "cancelled"),
                    ("MERGED", "merged"),
                ],
                default="READY",
                max_length=10,
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("behind", False), ("parked", True)),
                fields=["receiver", "id"],
                name="signals_app_parked",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("state__in", ("READY", "RUNNING")), models.Q(("coalesce_key", ""), _negated=True)),
                fields=["receiver", "coalesce_key", "id"],
                name="signals_app_coalesce",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(
                    models.Q(
                        ("state__in", ("READY", "RUNNING")),
                        models.Q(("blocks_lane", True), ("state", "FAILED")),
                        _connector="OR",
                    ),
                    models.Q(("lane", ""), _negated=True),
                ),
                fields=["lane", "id"],
                name="signals_app_lane",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("batch__isnull", False)), fields=["batch", "state"], name="signals_app_batch"
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "RUNNING"), models.Q(("lane", ""), _negated=True)),
                fields=("lane", "slot"),
                name="signals_app_one_a_slot",
            ),
        ),
    ]
