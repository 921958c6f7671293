"""E-mails (EML): the head, the words, and the attachments that can be read."""

from __future__ import annotations

import email
from dataclasses import replace
from email import policy
from email.message import EmailMessage
from gettext import gettext as _
from html import unescape

from core.errors import InvalidInput
from knowledge import parsers
from knowledge.parsers.html import to_markdown
from knowledge.parsers.limits import DEFAULT, Limits
from knowledge.parsers.text import decode, notes_on
from knowledge.types import Part, Reading

_HEAD = ("From", "To", "Cc", "Date", "Subject")


def parse(content: bytes, limits: Limits = DEFAULT) -> Reading:
    message = email.message_from_bytes(content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    head = "\n".join(f"{name}: {unescape(str(message[name]))}" for name in _HEAD if message[name])
    body = message.get_body(("plain", "html"))
    words = ""
    if body is not None:
        try:
            words = body.get_content()
        except LookupError:  # an encoding that Python does not know
            payload = body.get_payload(decode=True)
            words = decode(payload if isinstance(payload, bytes) else b"")
        if body.get_content_type() == "text/html":
            words = to_markdown(words)
    parts, notes = [Part(text=f"{head}\n\n{words}".strip())], list(filter(None, [notes_on(words)]))
    attached = list(message.iter_attachments())
    limits.check_pages(len(attached), _("attachments"))
    for attachment in attached:
        name = attachment.get_filename() or "message.eml"
        payload = attachment.get_payload(decode=True)
        try:
            if name.lower().endswith(".eml"):
                raise InvalidInput(_("A mail inside a mail is not read."))
            reading = parsers.parse(name, payload if isinstance(payload, bytes) else b"", limits)
        except InvalidInput as error:
            notes.append(_("Attachment %(name)s: %(notes)s") % {"name": name, "notes": error.message})
        else:
            notes += (
                [_("Attachment %(name)s: %(notes)s") % {"name": name, "notes": reading.notes}] if reading.notes else []
            )
            parts += [replace(p, page=None, label=_label(name, p)) for p in reading.parts]
    return Reading(parts=tuple(parts), notes=" ".join(notes))


def _label(name: str, part: Part) -> str:
    place = part.label or (f"Page {part.page}" if part.page else "")
    return f"Attachment {name}" + (f", {place}" if place else "")
