"""Ask a question over PolyAI's WebSocket and print the answer as it comes, across lost connections.

    python follow.py http://localhost:8000 me@example.org 'my password' polyai-handbook 'Where is the data kept?'

Needs `pip install websockets`. The protocol is described in docs/protocol.md.
"""

from __future__ import annotations

import asyncio
import http.cookiejar
import json
import re
import sys
import urllib.parse
import urllib.request
import uuid
from typing import Any

import websockets
from websockets.typing import Origin

ENDS = ("answer_completed", "answer_stopped", "answer_failed", "answer_interrupted", "refused")


def log_in(server: str, email: str, password: str) -> str:
    """The session's cookie, as a header."""
    jar = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    page = f"{server}/accounts/login/"
    form = browser.open(page).read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
    if token is None:
        sys.exit(f"no log-in form at {page}")
    fields = {"csrfmiddlewaretoken": token[1], "login": email, "password": password}
    browser.addheaders = [("Referer", page)]
    browser.open(page, urllib.parse.urlencode(fields).encode())
    cookies = {cookie.name: cookie.value for cookie in jar}
    if "sessionid" not in cookies:
        sys.exit("this address and password were not accepted")
    return f"sessionid={cookies['sessionid']}"


async def ask(server: str, cookie: str, project: str, question: str) -> dict[str, Any]:  # Any: JSON
    """The event that ended the answer. The words are printed as they come."""
    address = f"{server.replace('http', 'ws', 1)}/ws/conversations/{uuid.uuid4()}/"
    message: dict[str, Any] = {"type": "ask", "project": project, "text": question}
    headers = {"Cookie": cookie}
    # Long answers are long messages, too long for this library's own limit of one megabyte.
    async for socket in websockets.connect(address, origin=Origin(server), additional_headers=headers, max_size=None):
        try:
            await socket.send(json.dumps(message))
            async for frame in socket:
                event: dict[str, Any] = json.loads(frame)
                if event["type"] != "following" and "id" in event:
                    message = {"type": "follow", "after": event["id"]}  # what to say after a lost connection
                if event["type"] == "text_delta":
                    print(event["text"], end="", flush=True)
                if event["type"] in ENDS:
                    print()
                    return event
        except websockets.ConnectionClosed:
            continue  # connect again, and go on behind the last event
    raise AssertionError("websockets.connect tries for ever")


async def main(server: str, email: str, password: str, project: str, question: str) -> None:
    end = await ask(server, log_in(server, email, password), project, question)
    for source in end.get("sources", []):
        print(f"[{source['n']}] {source['document']} {source['locator']}".rstrip())
    if end["type"] != "answer_completed":
        sys.exit(f"{end['type']}: {end.get('message', '')}")


if __name__ == "__main__":
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    asyncio.run(main(*sys.argv[1:]))
