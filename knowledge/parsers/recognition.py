"""Text recognition (OCR) by the tesseract program, where there is one."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from gettext import gettext as _

import pypdfium2

from knowledge.parsers.limits import Limits

SCALE = 300 / 72  # dots for each point: what tesseract is made for
LARGEST = 6_000  # dots on a side
PER_PAGE = 30.0  # seconds


def recognise(document: pypdfium2.PdfDocument, pages: Sequence[int], limits: Limits) -> tuple[dict[int, str], str]:
    """Text by page index, and what to tell about it. As many pages as there is time for."""
    if not limits.ocr:
        return {}, _("Install tesseract on the server to have them recognised, or upload a PDF with text.")
    found: dict[int, str] = {}
    failed = ""
    for index in pages:
        if limits.seconds_left() < limits.seconds / 4:
            failed = _("There was no time for more pages: split the file, or have POLYAI_PARSER_SECONDS raised.")
            break
        text, problem = _recognise_page(document, index, limits)
        failed = failed or problem
        if text.strip():
            found[index] = text
    done = _("The text of %(found)s of %(count)s scanned pages was recognised by OCR and may have errors.") % {
        "found": len(found),
        "count": len(pages),
    }
    return found, " ".join(filter(None, [done, failed]))


def _recognise_page(document: pypdfium2.PdfDocument, index: int, limits: Limits) -> tuple[str, str]:
    page = document[index]
    try:
        scale = min(SCALE, LARGEST / max(*page.get_size(), 1))
        bitmap = page.render(scale=scale, grayscale=True)
    finally:
        page.close()
    rows = memoryview(bitmap.buffer).cast("B")
    picture = b"P5 %d %d 255\n" % (bitmap.width, bitmap.height)
    picture += b"".join(rows[y * bitmap.stride : y * bitmap.stride + bitmap.width] for y in range(bitmap.height))
    command = [limits.ocr, "stdin", "stdout", "-l", limits.ocr_languages]
    seconds = max(min(PER_PAGE, limits.seconds_left()), 1)
    environment = {"OMP_THREAD_LIMIT": "1"}
    try:
        run = subprocess.run(command, input=picture, capture_output=True, timeout=seconds, env=environment, check=False)
    except subprocess.TimeoutExpired:
        return "", _("Recognition of page %(page)s took too long.") % {"page": index + 1}
    except OSError:
        return "", _("tesseract could not be started.")
    if run.returncode:
        return "", _("tesseract failed on page %(page)s; are its languages (%(languages)s) installed?") % {
            "page": index + 1,
            "languages": limits.ocr_languages,
        }
    return run.stdout.decode("utf-8", errors="replace").replace("\x0c", ""), ""
