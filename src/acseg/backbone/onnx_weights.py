"""From an ONNX graph that transformers exported to weights by transformers' names.

The exporter keeps the names of most weights. The matrices of linear layers come transposed and
without a name, and are found through the nodes that use them: the second input of
`/backbone/encoder/layer.0/mlp/fc1/MatMul` is the weight of `backbone.encoder.layer.0.mlp.fc1`. The
table of positions is cut in two constants, for CLS and for the patches.
"""

import re
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from acseg.backbone.official import from_transformers
from acseg.backbone.onnx_file import Graph, Node
from acseg.errors import BackboneError

PATCHES = "embeddings.patch_embeddings.projection.weight"


def weights_of_graph(graph: Graph) -> dict[str, Tensor]:
    """Give the weights of the ViT in a graph; those of anything built on it are left out.

    Parameters
    ----------
    graph : Graph
        Of `acseg.backbone.onnx_file.read_onnx`.

    Returns
    -------
    dict of str to Tensor
        By the names of the checkpoints on the hub, float32. The mask token, which no graph holds,
        is zero.

    Raises
    ------
    BackboneError
        If the graph holds no ViT of transformers, or more than one.
    """
    prefixes = [name.removesuffix(PATCHES) for name in graph.tensors if name.endswith(PATCHES)]
    if len(prefixes) != 1:
        raise BackboneError(
            f"expected one ViT with transformers' names in the graph, found {len(prefixes)}; "
            "export it with torch.onnx.export(..., dynamo=False) from a Dinov2Model or ViTModel"
        )
    prefix = prefixes[0]
    named = dict(graph.tensors)
    for node in graph.nodes:
        if node.kind == "MatMul":
            named |= weight_of(node, graph.tensors)
    found = {
        name.removeprefix(prefix): torch.from_numpy(np.array(array, np.float32, order="C"))
        for name, array in named.items()
        if name.startswith(prefix) and np.issubdtype(array.dtype, np.floating)
    }
    if "embeddings.position_embeddings" not in found:
        found["embeddings.position_embeddings"] = positions(graph, found)
    if any(name.endswith("layer_scale1.lambda1") for name in found):
        width = found[PATCHES].shape[0]
        found.setdefault("embeddings.mask_token", torch.zeros(1, width))
    return from_transformers(found)


def weight_of(node: Node, tensors: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """Give the weight of the linear layer that a node computes, by its name; or nothing."""
    stem = re.sub(r"/MatMul$", "", node.name).strip("/").replace("/", ".")
    matrix = tensors.get(node.inputs[1]) if len(node.inputs) > 1 else None
    name = f"{stem}.weight"
    if not stem or matrix is None or matrix.ndim != 2 or name in tensors:
        return {}
    return {name: matrix.T}


def positions(graph: Graph, found: Mapping[str, Tensor]) -> Tensor:
    """Join the constants for CLS and for the patches: (1, 1 + n * n, D).

    They are the only ones without a name of shape (1, 1, D) and (1, n * n, D) that an operation of
    the embeddings takes.
    """
    width = found[PATCHES].shape[0]
    taken = [name for node in graph.nodes if "embeddings" in node.name for name in node.inputs]
    first, rest = None, None
    for name in taken:
        array = graph.tensors.get(name)
        if array is None or array.ndim != 3 or array.shape[::2] != (1, width) or "token" in name:
            continue
        if array.shape[1] == 1:
            first = array
        else:
            rest = array
    if first is None or rest is None:
        raise BackboneError("found no table of position embeddings in the graph")
    return torch.from_numpy(np.concatenate([first, rest], axis=1).astype(np.float32))
