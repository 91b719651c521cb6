from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("lab", "0002_verdict"),
    ]

    operations = [
        migrations.AlterField(
            model_name="lablane",
            name="way",
            field=models.CharField(
                choices=[
                    ("inline", "Inline call"),
                    ("signal", "Signal"),
                    ("async-signal", "Async signal"),
                    ("thread", "Thread"),
                    ("thread-join", "Thread + join"),
                    ("queued", "Queue"),
                    ("task", "django.tasks"),
                ],
                max_length=12,
            ),
        ),
    ]
