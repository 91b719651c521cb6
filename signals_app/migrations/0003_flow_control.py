from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("signals_app", "0002_flow"),
    ]

    operations = [
        migrations.CreateModel(
            name="Batch",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "parent",
                    models.BigIntegerField(blank=True, help_text="The batch that waits for this one.", null=True),
                ),
                (
                    "emission",
                    models.UUIDField(
                        blank=True,
                        help_text="The send whose deliveries it holds, where emission_settled is to follow.",
                        null=True,
                    ),
                ),
                (
                    "signal",
                    models.CharField(
                        help_text="What is sent once it is done; of an emission, what was.", max_length=255
                    ),
                ),
                ("payload", models.TextField(help_text="The signal's arguments as JSON.")),
                ("description", models.CharField(blank=True, max_length=255)),
                ("queue", models.CharField(help_text="Where the signal is sent from once it is done.", max_length=100)),
                ("max_attempts", models.PositiveIntegerField()),
                ("sent_by", models.CharField(blank=True, max_length=150)),
                ("sent_from", models.CharField(blank=True, max_length=200)),
                ("trace", models.CharField(blank=True, max_length=55)),
                ("depth", models.PositiveIntegerField(default=0)),
                ("context", models.TextField(blank=True)),
                ("created_at", models.DateTimeField()),
                (
                    "closed_at",
                    models.DateTimeField(blank=True, help_text="When all of its members had been sent.", null=True),
                ),
                (
                    "settled_at",
                    models.DateTimeField(blank=True, help_text="When the last of them had ended.", null=True),
                ),
                ("abandoned", models.BooleanField(default=False, help_text="Its block did not come to its end.")),
                (
                    "callback",
                    models.BigIntegerField(blank=True, help_text="The delivery that followed.", null=True, unique=True),
                ),
                ("successful", models.PositiveIntegerField(default=0)),
                ("failed", models.PositiveIntegerField(default=0)),
                ("cancelled", models.PositiveIntegerField(default=0)),
                ("merged", models.PositiveIntegerField(default=0)),
            ],
            options={
                "verbose_name": "batch",
                "verbose_name_plural": "batches",
            },
        ),
        migrations.CreateModel(
            name="Bucket",
            fields=[
                ("name", models.CharField(max_length=511, primary_key=True, serialize=False)),
                ("used_until", models.DateTimeField(help_text="How far the turns that were used reach.")),
            ],
        ),
        migrations.CreateModel(
            name="Schedule",
            fields=[
                ("key", models.CharField(max_length=255, primary_key=True, serialize=False)),
                ("definition", models.CharField(help_text="As in a crontab, and the time zone.", max_length=255)),
                ("next_at", models.DateTimeField()),
                ("last_at", models.DateTimeField(blank=True, null=True)),
                (
                    "confirmed_at",
                    models.DateTimeField(
                        blank=True, help_text="When a process with this definition last said so.", null=True
                    ),
                ),
            ],
            options={
                "verbose_name": "schedule",
            },
        ),
        migrations.AlterModelOptions(
            name="delivery",
            options={
                "permissions": (
                    ("retry_delivery", "Can retry delivery"),
                    ("cancel_delivery", "Can cancel delivery"),
                    ("move_delivery", "Can move delivery to another queue"),
                    ("run_now_delivery", "Can run delivery before it is due"),
                    ("reassign_delivery", "Can give delivery another receiver"),
                    ("free_delivery", "Can let the lane of a failed delivery go on"),
                    ("pause_delivery", "Can pause and resume queues and receivers"),
                ),
                "verbose_name": "delivery",
                "verbose_name_plural": "deliveries",
            },
        ),
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
                help_text="What its receiver's rate_key made of its arguments.",
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
            name="concurrency",
            field=models.SmallIntegerField(
                db_default=0,
                default=0,
                help_text="While it is behind: how many of its lane run at a time; 0 is one, in order.",
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
            name="result",
            field=models.TextField(
                blank=True, db_default="", default="", help_text="What a task returned, as JSON; nothing for None."
            ),
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
        migrations.AddField(
            model_name="delivery",
            name="watched",
            field=models.BooleanField(
                db_default=False, default=False, help_text="Whoever ends it checks whether its batch is done."
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
        migrations.AlterField(
            model_name="pause",
            name="kind",
            field=models.CharField(
                choices=[("QUEUE", "queue"), ("RECEIVER", "receiver"), ("SCHEDULE", "schedule")], max_length=8
            ),
        ),
        migrations.AlterField(
            model_name="pause",
            name="name",
            field=models.CharField(
                help_text="The queue's name, or the key of the receiver or the schedule.", max_length=255
            ),
        ),
        migrations.AlterField(
            model_name="tally",
            name="measure",
            field=models.CharField(
                choices=[
                    ("WAIT", "waits for the start of an attempt"),
                    ("RUN", "runs, by how they ended"),
                    ("LOSS", "lost attempts, by cause"),
                    ("FAILURE", "deliveries that became FAILED"),
                    ("MERGED", "deliveries merged into another"),
                ],
                max_length=8,
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
                condition=models.Q(("merged_into__isnull", False)), fields=["merged_into"], name="signals_app_merged"
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("state__in", ("READY", "RUNNING")), models.Q(("lane", ""), _negated=True)),
                fields=["lane", "id"],
                name="signals_app_lane",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("behind", True), ("state", "READY")),
                fields=["lane", "id"],
                name="signals_app_behind",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("blocks_lane", True), ("state", "FAILED")),
                fields=["lane", "id"],
                name="signals_app_blocking",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("batch__isnull", False)),
                fields=["batch", "state", "-id"],
                name="signals_app_members",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("watched", True)), fields=["batch", "state"], name="signals_app_watched"
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("booked", True), ("state", "READY")),
                fields=["receiver", "bucket", "due_at"],
                name="signals_app_booked",
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
        migrations.AddIndex(
            model_name="batch",
            index=models.Index(
                condition=models.Q(("settled_at__isnull", True)), fields=["created_at"], name="signals_app_unsettled"
            ),
        ),
        migrations.AddIndex(
            model_name="batch",
            index=models.Index(
                condition=models.Q(("parent__isnull", False)), fields=["parent", "settled_at"], name="signals_app_inner"
            ),
        ),
        migrations.AddIndex(
            model_name="batch",
            index=models.Index(
                condition=models.Q(("settled_at__isnull", False)), fields=["settled_at"], name="signals_app_settled"
            ),
        ),
    ]
