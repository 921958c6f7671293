from django.conf import settings
from django.db import migrations
from django.utils import timezone

TABLES = """
CREATE TABLE vectors_{id} (LIKE knowledge_chunkembedding_new) PARTITION BY LIST (project_id);
CREATE TABLE vectors_{id}_shared (LIKE knowledge_chunkembedding_new);
ALTER TABLE vectors_{id} ALTER COLUMN embedding SET STORAGE {storage};
ALTER TABLE vectors_{id}_shared ALTER COLUMN embedding SET STORAGE {storage};
ALTER TABLE vectors_{id} ATTACH PARTITION vectors_{id}_shared DEFAULT;
ALTER TABLE knowledge_chunkembedding_new ATTACH PARTITION vectors_{id} FOR VALUES IN ('{id}');
"""
COPY = """
INSERT INTO knowledge_chunkembedding_new (chunk_id, space_id, project_id, embedding)
SELECT chunk_id, space_id, project_id, embedding FROM knowledge_chunkembedding
"""


def fill(apps, schema_editor):
    """Every vector is kept. Grown projects get tables of their own, with an index, from beat; one space stays active:
    the environment's, which is the one that answered until now, else the newest."""
    EmbeddingSpace = apps.get_model("knowledge", "EmbeddingSpace")
    spaces = list(EmbeddingSpace.objects.order_by("-created_at"))
    with schema_editor.connection.cursor() as cursor:
        for space in spaces:
            storage = "PLAIN" if space.dimensions <= 1900 else "EXTERNAL"
            cursor.execute(TABLES.format(id=space.id.hex, storage=storage))
        cursor.execute(COPY)
    wanted = (settings.EMBEDDING_BASE_URL or "local", settings.EMBEDDING_MODEL)
    active = [s for s in spaces if s.status == "active"]
    active.sort(key=lambda space: (space.provider, space.model) != wanted)
    for space in active[1:]:
        space.status = "retired"
        space.save(update_fields=["status"])
    for space in active[:1]:
        space.completed_at = timezone.now()
        space.save(update_fields=["completed_at"])


def empty(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        for space in apps.get_model("knowledge", "EmbeddingSpace").objects.all():
            cursor.execute(f"DROP TABLE IF EXISTS vectors_{space.id.hex}")


class Migration(migrations.Migration):
    dependencies = [("knowledge", "0008_add_partitioned_embeddings")]

    operations = [migrations.RunPython(fill, empty)]
