from django.db import migrations

FILL = r"""
UPDATE knowledge_document SET kind = left(lower(substring(name from '\.([^./]+)$')), 10) WHERE name ~ '\.[^./]+$'
"""


class Migration(migrations.Migration):
    dependencies = [("knowledge", "0002_add_parts_tags_and_policy")]

    operations = [migrations.RunSQL(FILL, migrations.RunSQL.noop)]
