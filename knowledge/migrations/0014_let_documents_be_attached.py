from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("knowledge", "0013_fill_the_original_of_the_live_version")]

    operations = [
        migrations.RemoveConstraint(model_name="document", name="document_name_once_per_project"),
        migrations.AddField(
            model_name="document",
            name="attached_to",
            field=models.UUIDField(
                blank=True,
                editable=False,
                help_text="The conversation it is for, of the one who uploaded it alone.",
                null=True,
            ),
        ),
        migrations.AddConstraint(
            model_name="document",
            constraint=models.UniqueConstraint(
                condition=Q(attached_to=None), fields=("project", "name"), name="document_name_once_per_project"
            ),
        ),
        migrations.AddConstraint(
            model_name="document",
            constraint=models.UniqueConstraint(
                condition=Q(attached_to__isnull=False),
                fields=("attached_to", "uploaded_by", "name"),
                name="document_name_once_per_conversation",
            ),
        ),
    ]
