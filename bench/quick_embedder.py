"""An embedder that answers at once, as a large machine's would: `python -m bench.quick_embedder PORT`.

What is left of an ingestion's time beside it is the ingestion's own. Speaks OpenAI's `/v1/embeddings`, in floats
and in base64; the vectors mean nothing.
"""

from __future__ import annotations

import base64
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

DIMENSIONS, VECTORS = 384, 1_000
_POOL = np.random.default_rng(4).standard_normal((VECTORS, DIMENSIONS)).astype(np.float32)
_POOL /= np.linalg.norm(_POOL, axis=1, keepdims=True)
_WRITTEN = {
    "base64": [json.dumps(base64.b64encode(vector.tobytes()).decode()) for vector in _POOL],
    "float": [json.dumps([round(float(x), 6) for x in vector]) for vector in _POOL],
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for the client's acknowledgement of its head

    def log_message(self, *args: object) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
        written = _WRITTEN[asked.get("encoding_format") or "float"]
        vectors = (written[hash(text) % VECTORS] for text in texts)
        rows = ",".join(f'{{"object":"embedding","index":{n},"embedding":{v}}}' for n, v in enumerate(vectors))
        usage = f'{{"prompt_tokens":{len(texts)},"total_tokens":{len(texts)}}}'
        body = f'{{"object":"list","model":"quick","data":[{rows}],"usage":{usage}}}'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
