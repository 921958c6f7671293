"""The words of chunks, and of each project what is needed to weigh them."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.utils.translation import gettext_lazy

from accounts.models import Project
from knowledge.models.chunk import Chunk


class ChunkWords(models.Model):
    """A chunk's lexemes and how often it has each (knowledge.lexical), its project's own among them: so the one index
    scan filters by project too. Apart from the chunk, whose text is read far more rarely than this is."""

    chunk = models.OneToOneField(Chunk, on_delete=models.CASCADE, primary_key=True, related_name="words")
    project_id = models.UUIDField()
    document_id = models.UUIDField()
    words = SearchVectorField()
    length = models.PositiveIntegerField(help_text=gettext_lazy("In words."))

    class Meta:
        verbose_name_plural = gettext_lazy("chunk words")
        indexes = [
            # Half a megabyte of new rows waits outside the index: more would be read through by every search.
            GinIndex(fields=["words"], name="chunk_words", gin_pending_list_limit=512),
        ]

    def __str__(self) -> str:
        return f"{self.length} words of {self.chunk_id}"


class Lexicon(models.Model):
    """What a project's chunks are like, as they were last counted (knowledge.words.recount)."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, primary_key=True, related_name="lexicon")
    chunks = models.PositiveIntegerField(default=0)
    mean_length = models.FloatField(default=0, help_text=gettext_lazy("Of a chunk, in words."))
    languages = ArrayField(models.CharField(max_length=8), default=list)
    counted_chunks = models.PositiveIntegerField(default=0, help_text=gettext_lazy("When it was last counted."))
    counted_version = models.BigIntegerField(default=-1, help_text=gettext_lazy("The project's corpus_version then."))
    counted_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.chunks} chunks in {', '.join(self.languages)}"


class CommonWord(models.Model):
    """A lexeme that many chunks of a project have: too many to look at each of them because of this word alone."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, db_index=False)
    lexeme = models.CharField(max_length=200)
    chunks = models.PositiveIntegerField(help_text=gettext_lazy("About how many have it."))

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "lexeme"], name="common_word_once")]

    def __str__(self) -> str:
        return f"{self.lexeme} in {self.chunks}"
