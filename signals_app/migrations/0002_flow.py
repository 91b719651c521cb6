from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("signals_app", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Snapshot",
            fields=[
                ("minute", models.PositiveBigIntegerField(help_text="Since 1970.", primary_key=True, serialize=False)),
                ("totals", models.TextField(help_text="By receiver, as JSON.")),
            ],
        ),
        migrations.AddField(
            model_name="delivery",
            name="deferrals",
            field=models.PositiveIntegerField(
                db_default=0, default=0, help_text="How often its receiver has put it off by Defer."
            ),
        ),
        migrations.AddField(
            model_name="pause",
            name="reason",
            field=models.CharField(
                blank=True, db_default="", default="", help_text="Why, for those who see it.", max_length=255
            ),
        ),
        migrations.AddField(
            model_name="pause",
            name="until",
            field=models.DateTimeField(
                blank=True, help_text="When it ends by itself; otherwise when it is resumed.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="attempt",
            name="outcome",
            field=models.CharField(
                choices=[
                    ("ERROR", "error"),
                    ("TIMEOUT", "timeout"),
                    ("LOST", "lost"),
                    ("RETRY_AFTER", "retry after"),
                    ("SKIPPED", "skipped"),
                    ("EXPIRED", "expired"),
                    ("CANCELLED", "cancelled"),
                    ("STALE", "stale"),
                ],
                max_length=11,
            ),
        ),
    ]
