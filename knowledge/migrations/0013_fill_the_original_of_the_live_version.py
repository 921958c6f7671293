from django.db import migrations

FILL = "UPDATE knowledge_document SET live_original = original WHERE live_version > 0"


class Migration(migrations.Migration):
    dependencies = [("knowledge", "0012_add_the_original_of_the_live_version")]

    operations = [migrations.RunSQL(FILL, migrations.RunSQL.noop)]
