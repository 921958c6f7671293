from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("knowledge", "0010_tighten_partitioned_embeddings")]

    operations = [
        migrations.AddField(
            model_name="document",
            name="title",
            field=models.CharField(blank=True, default="", help_text="What it is called inside.", max_length=200),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="document",
            name="parts_hash",
            field=models.CharField(
                blank=True, default="", help_text="Of the original that its parts were read from.", max_length=64
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="document",
            name="chunking",
            field=models.CharField(
                blank=True, default="", help_text="How it was cut: method, tokens, overlap.", max_length=40
            ),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name="chunk",
            name="content_hash",
            field=models.CharField(help_text="SHA-256 of what is shown.", max_length=64),
        ),
        migrations.AlterField(
            model_name="chunk",
            name="metadata",
            field=models.JSONField(
                default=dict, help_text="heading_path, title, page, label, part, start, end, context, tokens."
            ),
        ),
    ]
