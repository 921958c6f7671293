from django.db import migrations, models

import knowledge.models.document


class Migration(migrations.Migration):
    dependencies = [("knowledge", "0011_add_titles_and_how_documents_were_cut")]

    operations = [
        migrations.AddField(
            model_name="document",
            name="live_original",
            field=models.FileField(
                blank=True,
                help_text="The file that its live version was read from.",
                max_length=300,
                upload_to=knowledge.models.document.original_path,
            ),
        )
    ]
