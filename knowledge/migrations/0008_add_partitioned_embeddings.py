from django.db import migrations, models

# Searches and writes go on in the old table until 0010 has the new one take its place.
ADD = """
CREATE TABLE knowledge_chunkembedding_new (
    chunk_id uuid NOT NULL, space_id uuid NOT NULL, project_id uuid NOT NULL, embedding vector NOT NULL,
    PRIMARY KEY (space_id, project_id, chunk_id)
) PARTITION BY LIST (space_id);
CREATE INDEX knowledge_chunkembedding_chunk ON knowledge_chunkembedding_new (chunk_id);
"""


class Migration(migrations.Migration):
    dependencies = [("knowledge", "0007_add_web_sources")]

    operations = [
        migrations.AddField("embeddingspace", "attempts", models.PositiveSmallIntegerField(default=0)),
        migrations.AddField(
            "embeddingspace",
            "chosen_over",
            models.CharField(
                blank=True,
                default="",
                help_text="The environment's embedder that an operator passed over for this one.",
                max_length=420,
            ),
            preserve_default=False,
        ),
        migrations.AddField("embeddingspace", "chunks_embedded", models.PositiveIntegerField(default=0)),
        migrations.AddField("embeddingspace", "chunks_total", models.PositiveIntegerField(default=0)),
        migrations.AddField(
            "embeddingspace",
            "completed_at",
            models.DateTimeField(help_text="When every chunk was in it for the first time.", null=True),
        ),
        migrations.AddField("embeddingspace", "error", models.TextField(blank=True, default=""), preserve_default=False),
        migrations.AddField(
            "embeddingspace",
            "precision",
            models.CharField(
                choices=[("full", "Full: 4 bytes a number"), ("half", "Half: 2 bytes a number in the index")],
                default="full",
                max_length=4,
            ),
        ),
        migrations.AddField("embeddingspace", "retry_at", models.DateTimeField(null=True)),
        migrations.AddField(
            "embeddingspace",
            "shortened_to",
            models.PositiveIntegerField(
                default=0, help_text="Numbers asked of a model that gives fewer when asked to; 0 for its own size."
            ),
        ),
        migrations.AlterField(
            "embeddingspace",
            "status",
            models.CharField(
                choices=[("building", "Building"), ("active", "Active"), ("retired", "Retired")],
                default="active",
                max_length=10,
            ),
        ),
        migrations.RunSQL(ADD, "DROP TABLE knowledge_chunkembedding_new"),
    ]
