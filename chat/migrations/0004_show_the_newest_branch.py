from django.db import migrations

SHOW = """
UPDATE chat_conversation SET tip_id = (
    SELECT id FROM chat_message WHERE conversation_id = chat_conversation.id ORDER BY created_at DESC, id DESC LIMIT 1
)
"""


class Migration(migrations.Migration):

    dependencies = [
        ('chat', '0003_let_conversations_branch_and_be_shared'),
    ]

    operations = [migrations.RunSQL(SHOW, migrations.RunSQL.noop)]
