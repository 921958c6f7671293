"""Where on disk a document comes from."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy

from knowledge.models.document import Document


class SyncedFile(models.Model):
    """A file below a folder that `manage.py sync` keeps a project in step with. `size` and `modified_ns` are the
    file's own, as they were when it was last read: while they stay, it is not read again."""

    document = models.OneToOneField(Document, on_delete=models.CASCADE, related_name="synced", primary_key=True)
    folder = models.CharField(max_length=1000, help_text=gettext_lazy("Its absolute path."))
    size = models.PositiveBigIntegerField(help_text=gettext_lazy("Bytes."))
    modified_ns = models.BigIntegerField(help_text=gettext_lazy("Nanoseconds since 1970."))

    def __str__(self) -> str:
        return f"{self.document_id} from {self.folder}"
