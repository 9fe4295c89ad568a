"""Reading the weights and the nodes of an ONNX file as plain data.

An ONNX file is a protobuf, of which a handful of fields is needed here. This reader of our own is
here because fetching weights has to work in the core install, which has no `onnx`. Nothing in the
file is executed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acseg.errors import BackboneError

MOST_BYTES = 2**31  # a protobuf cannot be larger
NUMBER_TYPES = {1: np.float32, 6: np.int32, 7: np.int64, 10: np.float16, 11: np.float64}
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types


@dataclass(frozen=True)
class Node:
    """One operation of the graph.

    Attributes
    ----------
    kind : str
        Its operator, such as "MatMul".
    name : str
        Such as "/encoder/layer.0/mlp/fc1/MatMul"; may be empty.
    inputs, outputs : tuple of str
        Names of tensors.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass
class Graph:
    """What was read of an ONNX file.

    Attributes
    ----------
    tensors : dict of str to ndarray
        The initializers of floating point or integers, by name.
    nodes : list of Node
        In the order of the file.
    """

    tensors: dict[str, NDArray] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)


def read_onnx(path: Path) -> Graph:
    """Read the initializers and nodes of an ONNX file.

    Parameters
    ----------
    path : Path
        A file of at most 2 GiB whose weights are inside.

    Returns
    -------
    Graph

    Raises
    ------
    BackboneError
        If it is no ONNX file, is cut off, or keeps its weights in another file.
    OSError
        If it cannot be read.
    """
    if path.stat().st_size > MOST_BYTES:
        raise BackboneError(f"{path}: larger than 2 GiB, which no ONNX file of a backbone is")
    return parse_onnx(path.read_bytes(), path)


def parse_onnx(data: bytes, where: Path) -> Graph:
    """Read the bytes of an ONNX file, as `read_onnx` does; `where` is for the error."""
    graph = Graph()
    try:
        for number, value in fields(memoryview(data)):
            if number == 7:
                read_graph(as_bytes(value), graph)
    except (ValueError, IndexError) as error:
        raise BackboneError(f"{where}: expected an ONNX file, but {error}") from error
    if not graph.nodes:
        raise BackboneError(f"{where}: expected an ONNX file, found no graph in it")
    return graph


def read_graph(data: memoryview, graph: Graph) -> None:
    """Add the nodes (field 1) and initializers (field 5) of a GraphProto to `graph`."""
    for number, value in fields(data):
        if number == 1:
            parts: dict[int, list[str]] = {1: [], 2: [], 3: [], 4: []}
            for part, content in fields(as_bytes(value)):
                if part in parts:
                    parts[part].append(text(content))
            name, kind = "".join(parts[3][-1:]), "".join(parts[4][-1:])
            graph.nodes.append(Node(kind, name, tuple(parts[1]), tuple(parts[2])))
        elif number == 5:
            name, tensor = read_tensor(as_bytes(value))
            if tensor is not None:
                graph.tensors[name] = tensor


def read_tensor(data: memoryview) -> tuple[str, NDArray | None]:
    """Read a TensorProto; its array is None where acseg has no use for its type."""
    name, kind, shape = "", 0, []
    raw: memoryview | None = None
    floats: list[NDArray] = []
    for number, value in fields(data):
        if number == 1:  # packed or one by one
            shape += [value] if isinstance(value, int) else list(varints(value))
        elif number == 2 and isinstance(value, int):
            kind = value
        elif number == 4:
            floats.append(np.frombuffer(as_bytes(value), "<f4"))
        elif number == 8:
            name = text(value)
        elif number == 9:
            raw = as_bytes(value)
        elif number == 13:
            raise ValueError(f"the weight {name!r} is in another file; save it in one")
    if kind not in NUMBER_TYPES:
        return name, None
    if raw is not None:
        flat: NDArray = np.frombuffer(raw, np.dtype(NUMBER_TYPES[kind]).newbyteorder("<"))
    elif floats:
        flat = np.concatenate(floats)
    else:
        return name, None  # integers that were written out one by one: no weights
    if any(side < 0 for side in shape) or flat.size != np.prod(shape, dtype=object):
        raise ValueError(f"the weight {name!r} has {flat.size} numbers for the shape {shape}")
    return name, flat.reshape(shape)


def fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Walk over the fields of a protobuf message: number, and an integer or bytes."""
    place = 0
    while place < len(data):
        tag, place = varint(data, place)
        wire = tag & 7
        if wire == VARINT:
            value, place = varint(data, place)
            yield tag >> 3, value
            continue
        if wire == BYTES:
            length, place = varint(data, place)
        elif wire in (FIXED64, FIXED32):
            length = 8 if wire == FIXED64 else 4
        else:
            raise ValueError("its fields make no sense")
        if place + length > len(data):
            raise ValueError("it ends too early")
        yield tag >> 3, data[place : place + length]
        place += length


def varint(data: memoryview, place: int) -> tuple[int, int]:
    """Read a number of seven bits a byte, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
    raise ValueError("its numbers make no sense")


def varints(data: memoryview) -> Iterator[int]:
    """Read numbers that stand one after another."""
    place = 0
    while place < len(data):
        value, place = varint(data, place)
        yield value


def as_bytes(value: int | memoryview) -> memoryview:
    """Make sure that a field holds bytes."""
    if isinstance(value, int):
        raise ValueError("its fields make no sense")
    return value


def text(value: int | memoryview) -> str:
    """Read a field that holds a name; UnicodeDecodeError is a ValueError."""
    return str(as_bytes(value), "utf-8")
