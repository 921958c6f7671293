"""The graph of all-MiniLM-L6-v2, written from its weights: the architecture is not in the file, only the numbers.

BERT with six layers (Devlin et al. 2019, arXiv:1810.04805), mean-pooled over the tokens and normalised to
length 1 (Reimers & Gurevych 2019, arXiv:1908.10084). Opset 17, which has LayerNormalization.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

from providers.minilm import DIMENSIONS, NAME

LAYERS, HEADS, EPSILON = 6, 12, 1e-12
MASKED = -10_000.0  # added to the score of a padded token, as BERT was trained


def build_graph(weights: Path) -> onnx.ModelProto:
    """Inputs `input_ids` and `attention_mask`, int64 of shape (batch, tokens); output `embedding`, (batch, 384)."""
    graph = _Graph(load_file(weights))
    mask = graph.op("Cast", "attention_mask", to=TensorProto.FLOAT)
    penalty = graph.op(
        "Mul",
        graph.op("Sub", graph.scalar(1.0), graph.op("Unsqueeze", mask, graph.numbers(1, 2))),
        graph.scalar(MASKED),
    )
    x = graph.embeddings()
    for layer in range(LAYERS):
        x = graph.layer(x, penalty, f"encoder.layer.{layer}")
    weight = graph.op("Unsqueeze", mask, graph.numbers(2))
    summed = graph.op("ReduceSum", graph.op("Mul", x, weight), graph.numbers(1), keepdims=0)
    mean = graph.op("Div", summed, graph.op("ReduceSum", weight, graph.numbers(1), keepdims=0))
    return graph.finish(mean)


class _Graph:
    """Nodes and constants as they are written; each method returns the name of what it computes."""

    def __init__(self, weights: dict[str, npt.NDArray[np.float32]]) -> None:
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, value: npt.NDArray[np.generic]) -> str:
        self._constants.setdefault(name, numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:  # Any: an operator's attributes, each of its type
        output = f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def numbers(self, *values: int) -> str:
        return self.constant(f"int{values}", np.array(values, dtype=np.int64))

    def scalar(self, value: float) -> str:
        return self.constant(f"float({value})", np.array(value, dtype=np.float32))

    def dense(self, x: str, name: str) -> str:
        product = self.op("MatMul", x, self.constant(f"{name}.weight", self._weights[f"{name}.weight"].T))
        return self.op("Add", product, self.constant(f"{name}.bias", self._weights[f"{name}.bias"]))

    def norm(self, x: str, name: str) -> str:
        scale, bias = (self.constant(f"{name}.{part}", self._weights[f"{name}.{part}"]) for part in ("weight", "bias"))
        return self.op("LayerNormalization", x, scale, bias, axis=-1, epsilon=EPSILON)

    def heads(self, x: str, order: list[int]) -> str:
        apart = self.op("Reshape", x, self.numbers(0, 0, HEADS, DIMENSIONS // HEADS))
        return self.op("Transpose", apart, perm=order)

    def gelu(self, x: str) -> str:
        erf = self.op("Erf", self.op("Div", x, self.scalar(float(np.sqrt(2.0)))))
        return self.op("Mul", self.op("Mul", x, self.scalar(0.5)), self.op("Add", erf, self.scalar(1.0)))

    def embeddings(self) -> str:
        """Words, their places, and the one kind of token that a single text has."""
        table = {name: self._weights[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position")}
        words = self.op("Gather", self.constant("words", table["word"]), "input_ids")
        length = self.op("Slice", self.op("Shape", "input_ids"), self.numbers(1), self.numbers(2))
        positions = self.constant("positions", table["position"])
        places = self.op("Slice", positions, self.numbers(0), length, self.numbers(0))
        kind = self.constant("token_type", self._weights["embeddings.token_type_embeddings.weight"][0])
        return self.norm(self.op("Add", self.op("Add", words, places), kind), "embeddings.LayerNorm")

    def layer(self, x: str, penalty: str, name: str) -> str:
        """Self-attention, then two dense layers; each with what came in added, and normalised."""
        query = self.heads(self.dense(x, f"{name}.attention.self.query"), [0, 2, 1, 3])
        key = self.heads(self.dense(x, f"{name}.attention.self.key"), [0, 2, 3, 1])
        value = self.heads(self.dense(x, f"{name}.attention.self.value"), [0, 2, 1, 3])
        scores = self.op("Div", self.op("MatMul", query, key), self.scalar(float(np.sqrt(DIMENSIONS // HEADS))))
        attention = self.op("MatMul", self.op("Softmax", self.op("Add", scores, penalty), axis=-1), value)
        merged = self.op("Reshape", self.op("Transpose", attention, perm=[0, 2, 1, 3]), self.numbers(0, 0, DIMENSIONS))
        added = self.op("Add", self.dense(merged, f"{name}.attention.output.dense"), x)
        x = self.norm(added, f"{name}.attention.output.LayerNorm")
        inner = self.gelu(self.dense(x, f"{name}.intermediate.dense"))
        return self.norm(self.op("Add", self.dense(inner, f"{name}.output.dense"), x), f"{name}.output.LayerNorm")

    def finish(self, mean: str) -> onnx.ModelProto:
        self._nodes.append(helper.make_node("LpNormalization", [mean], ["embedding"], axis=-1, p=2))
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
            for name in ("input_ids", "attention_mask")
        ]
        output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", DIMENSIONS])
        graph = helper.make_graph(self._nodes, NAME, inputs, [output], list(self._constants.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        return model
