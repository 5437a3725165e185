"""An ONNX file, written message by message: operators, the values they need, one input and one output.

Source: the field numbers of ONNX's published protobuf definition, IR version 7, and its operators of set 13. Writing
the few messages that a network needs is our choice: torch's own exporter needs two packages more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

IR_VERSION, OPERATOR_SET = 7, 13

FLOAT = 1
"""ONNX's number of float32."""

Setting = int | float | str | tuple[int, ...]
"""What an operator can be told beside its inputs."""


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A network as it is written down, operator by operator.

    Parameters
    ----------
    given
        Values that operators may name as inputs.
    nodes, kept
        The encoded operators, and the encoded values that some operator named.
    """

    given: Mapping[str, NDArray[np.generic]]
    nodes: list[bytes] = field(default_factory=list)
    kept: dict[str, bytes] = field(default_factory=dict)

    def add(self, operator: str, inputs: Sequence[str], settings: Mapping[str, Setting] | None = None) -> str:
        """Add an operator; the name of what it gives."""
        out = f"{operator}_{len(self.nodes)}"
        told = [_message(5, _setting(name, value)) for name, value in (settings or {}).items()]
        parts = [*(_message(1, name) for name in inputs), _message(2, out), _message(3, out), _message(4, operator)]
        self.nodes.append(b"".join([*parts, *told]))
        return out

    def keep(self, name: str, *, first: int | None = None) -> str:
        """Have a given float32 value in the file, or what belongs to its ``first`` outputs; its name."""
        return self.constant(name, np.asarray(self.given[name], np.float32)[:first])

    def constant(self, name: str, values: Float32[np.ndarray, "..."]) -> str:
        """Have a value in the file; its name."""
        dims = b"".join(_number(1, n) for n in values.shape)
        content = _message(9, np.ascontiguousarray(values, "<f4").tobytes())
        self.kept[name] = dims + _number(2, FLOAT) + _message(8, name) + content
        return name

    def encode(self, name: str, *, enters: str, leaves: str, axes: Sequence[int | str], about: str) -> bytes:
        """The bytes of the file.

        Parameters
        ----------
        name
            Of the network.
        enters, leaves
            Names of its input and of the operator's output that is its own.
        axes
            Lengths of both; a word stands for any length.
        about
            What a person should know.
        """
        graph = [
            *(_message(1, node) for node in self.nodes),
            _message(2, name),
            *(_message(5, value) for value in self.kept.values()),
            _message(10, about),
            _message(11, _described(enters, axes)),
            _message(12, _described(leaves, axes)),
        ]
        operators = _message(1, "") + _number(2, OPERATOR_SET)
        head = _number(1, IR_VERSION) + _message(2, "savem3")
        return head + _message(7, b"".join(graph)) + _message(8, operators)


def _described(name: str, axes: Sequence[int | str]) -> bytes:
    """What enters or leaves: its name, that it is float32, its axes."""
    lengths = [_number(1, axis) if isinstance(axis, int) else _message(2, axis) for axis in axes]
    tensor = _number(1, FLOAT) + _message(2, b"".join(_message(1, length) for length in lengths))
    return _message(1, name) + _message(2, _message(1, tensor))


def _setting(name: str, value: Setting) -> bytes:
    """An attribute, with the number of its type."""
    if isinstance(value, int):
        return _message(1, name) + _number(3, value) + _number(20, 2)
    if isinstance(value, float):
        return _message(1, name) + _varint(2 << 3 | 5) + np.array(value, "<f4").tobytes() + _number(20, 1)
    if isinstance(value, str):
        return _message(1, name) + _message(4, value) + _number(20, 3)
    return _message(1, name) + b"".join(_number(8, n) for n in value) + _number(20, 7)


def _number(place: int, value: int) -> bytes:
    return _varint(place << 3) + _varint(value)


def _message(place: int, content: bytes | str) -> bytes:
    encoded = content.encode() if isinstance(content, str) else content
    return _varint(place << 3 | 2) + _varint(len(encoded)) + encoded


def _varint(value: int) -> bytes:
    return bytes(_sevens(value))


def _sevens(value: int) -> Iterator[int]:
    """Seven bits a byte, the lowest first; the eighth says that more follow."""
    while value > 127:
        yield value & 127 | 128
        value >>= 7
    yield value
