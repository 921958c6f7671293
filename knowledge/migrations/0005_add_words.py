
import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0003_let_projects_choose_their_caching'),
        ('knowledge', '0004_add_synced_files'),
    ]

    operations = [
        migrations.CreateModel(
            name='Lexicon',
            fields=[
                ('project', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='lexicon', serialize=False, to='accounts.project')),
                ('chunks', models.PositiveIntegerField(default=0)),
                ('mean_length', models.FloatField(default=0, help_text='Of a chunk, in words.')),
                ('languages', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=8), default=list, size=None)),
                ('counted_chunks', models.PositiveIntegerField(default=0, help_text='When it was last counted.')),
                ('counted_version', models.BigIntegerField(default=-1, help_text="The project's corpus_version then.")),
                ('counted_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.AddField(
            model_name='document',
            name='words_scheme',
            field=models.PositiveSmallIntegerField(default=0, editable=False, help_text='How the words of its chunks were made (knowledge.lexical); 0: not yet.'),
        ),
        migrations.CreateModel(
            name='ChunkWords',
            fields=[
                ('chunk', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='words', serialize=False, to='knowledge.chunk')),
                ('project_id', models.UUIDField()),
                ('document_id', models.UUIDField()),
                ('words', django.contrib.postgres.search.SearchVectorField()),
                ('length', models.PositiveIntegerField(help_text='In words.')),
            ],
            options={
                'verbose_name_plural': 'chunk words',
                'indexes': [django.contrib.postgres.indexes.GinIndex(fields=['words'], gin_pending_list_limit=512, name='chunk_words')],
            },
        ),
        migrations.CreateModel(
            name='CommonWord',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('lexeme', models.CharField(max_length=200)),
                ('chunks', models.PositiveIntegerField(help_text='About how many have it.')),
                ('project', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='accounts.project')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('project', 'lexeme'), name='common_word_once')],
            },
        ),
    ]
