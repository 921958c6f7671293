"""How much of a file is read at most."""

from __future__ import annotations

from dataclasses import dataclass, field
from gettext import gettext as _
from time import monotonic

from core.errors import TooLargeToRead

MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one reading may take. `ocr` is the path of a tesseract program, empty for none.

    `pages` counts slides, sheets and chapters too; `characters` is of all text together; `unpacked` is bytes of
    everything in an office file or e-book, `xml` bytes of one part of it of which a tree is made (ten times as
    much memory; the text of a book of 872 pages has 5 MB); `seconds` begin when the value is made.
    """

    pages: int = 5_000
    characters: int = 50_000_000
    unpacked: int = 300 * MEGABYTE
    xml: int = 32 * MEGABYTE
    cells: int = 2_000_000
    seconds: float = 60
    ocr: str = ""
    ocr_languages: str = "eng"
    began: float = field(default_factory=monotonic)

    def check_pages(self, count: int, unit: str = "") -> None:
        """Raises TooLargeToRead."""
        if count > self.pages:
            raise TooLargeToRead(
                _(
                    "The file has %(count)s %(unit)s; at most %(most)s are read. "
                    "Split it, or have POLYAI_MAX_PAGES raised."
                )
                % {"count": f"{count:,}", "unit": unit or _("pages"), "most": f"{self.pages:,}"}
            )

    def seconds_left(self) -> float:
        return self.seconds - (monotonic() - self.began)


DEFAULT = Limits()
