"""Every operation of cleansing by its name, and what a record says of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, get_args, get_origin, get_type_hints

from savem3.engine.aligning import Move
from savem3.engine.erasing import Clear, HideLabels, HideSections
from savem3.engine.scaling import Resample
from savem3.engine.section import Operation
from savem3.engine.tidying import Erode, Tidy

OPERATIONS: dict[str, type[Operation]] = {
    "clear": Clear,
    "erode": Erode,
    "hide_labels": HideLabels,
    "hide_sections": HideSections,
    "move": Move,
    "resample": Resample,
    "tidy": Tidy,
}
"""A new operation is a frozen dataclass of plain values in the file of its family, and a line here."""

NAMES = {kind: name for name, kind in OPERATIONS.items()}


def told(operation: Operation) -> dict[str, Any]:
    """An operation in plain values, as `operation_of` reads them."""
    return {"operation": NAMES[type(operation)], "parameters": asdict(operation)}  # type: ignore[call-overload]


def operation_of(record: Mapping[str, Any]) -> Operation:
    """The operation that a record is of.

    Raises
    ------
    ValueError
        If it is none of this version's.
    """
    name, parameters = record.get("operation"), record.get("parameters")
    if name not in OPERATIONS or not isinstance(parameters, Mapping):
        raise ValueError(f"operation must be one of {', '.join(OPERATIONS)} with its parameters, got {name!r}")
    kind = OPERATIONS[name]
    hints, names = get_type_hints(kind), {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if set(parameters) != names:
        raise ValueError(
            f"parameters of {name} must be {', '.join(sorted(names))}, got {', '.join(map(str, parameters))}"
        )
    return kind(**{key: _read(value, hints[key], f"{key} of {name}") for key, value in parameters.items()})


def _read(value: Any, kind: Any, name: str) -> Any:
    """A plain value as a field's type: whole numbers, numbers, and tuples of them."""
    if get_origin(kind) is tuple:
        parts: Sequence[Any] = value if isinstance(value, list | tuple) else ()
        inner = get_args(kind)
        many = inner[-1] is Ellipsis
        if not isinstance(value, list | tuple) or (not many and len(parts) != len(inner)):
            raise ValueError(f"{name} must be a list of numbers, got {value!r}")
        return tuple(_read(part, inner[0] if many else inner[i], name) for i, part in enumerate(parts))
    if isinstance(value, bool) or not isinstance(value, int if kind is int else int | float):
        raise ValueError(f"{name} must be a number, got {value!r}")
    return value
