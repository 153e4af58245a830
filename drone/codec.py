"""Messages to bytes and back, exact to the bit; `drone.protoschema` makes the schema.

In comes a message dataclass, out come protobuf bytes, and the same back. Evolution: append fields
with a default. A field that a newer writer added is ignored, one that an older writer lacked takes
its default. An empty tuple and a missing one are the same on the wire.
"""

from __future__ import annotations

import typing
from functools import cache
from typing import Any, TypeVar

import numpy as np
from google.protobuf.message import DecodeError

from drone.protoschema import Field, fields_of, proto_class, schema, varint

__all__ = ["CodecError", "decode", "encode", "schema"]

_GRID_DATA_TAG = b"\x1a"

Message = TypeVar("Message")


class CodecError(ValueError):
    """A message does not fit its class, or bytes do not fit the message; names the field."""


def encode(message: Any) -> bytes:
    """Return a message dataclass as protobuf bytes.

    Raises:
        CodecError: a value does not fit its field.
    """
    cls: type = type(message)
    try:
        data: bytes = _at_once(message, cls)
    except (AttributeError, TypeError, ValueError):
        data = _field_by_field(message, cls)  # says which field it is, or finds a way
    return data


def _at_once(message: Any, cls: type) -> bytes:
    """Return the bytes by the quickest way: all fields in one call."""
    proto = proto_class(cls)(**_values(message, cls))
    for name, optional in _grids_of(cls):
        grid = getattr(message, name)
        if grid is not None or not optional:
            _fill_grid(getattr(proto, name), grid)
    data: bytes = proto.SerializeToString()
    return data


def _field_by_field(message: Any, cls: type) -> bytes:
    proto = proto_class(cls)()
    try:
        _fill(proto, message, cls)
    except CodecError as error:
        raise CodecError(f"{cls.__name__}.{error}") from error
    data: bytes = proto.SerializeToString()
    return data


def decode(cls: type[Message], data: bytes) -> Message:
    """Return the message of this class that `data` holds.

    Raises:
        CodecError: not protobuf, or a field without default is missing or has a foreign value.
    """
    try:
        proto = proto_class(typing.cast(type, cls)).FromString(data)
    except DecodeError as error:
        raise CodecError(f"{cls.__name__}: not a protobuf message: {error}") from None
    try:
        return typing.cast(Message, _read(proto, cls))
    except CodecError as error:
        raise CodecError(f"{cls.__name__}.{error}") from error


# Writing and reading, driven by the fields


def _values(message: Any, cls: type) -> dict[str, Any]:
    """Return the fields that are there, but for grids, as protobuf's constructor takes them.

    Raises:
        ValueError: a value does not fit its field, or a grid lies deeper.
    """
    values = {}
    for name, part, repeated, optional, length in _plan(cls):
        value = getattr(message, name)
        if value is None and optional:
            continue
        if value is None or (length is not None and len(value) != length):
            raise ValueError(name)
        if part is None:
            values[name] = value
        elif _grids_of(part):
            raise ValueError(name)
        else:
            values[name] = (
                [_values(item, part) for item in value] if repeated else _values(value, part)
            )
    return values


@cache
def _plan(cls: type) -> tuple[tuple[str, type | None, bool, bool, int | None], ...]:
    """Return of each field but grids: name, class of a part, repeated, optional, length."""
    return tuple(
        (f.name, f.of if f.is_message else None, f.repeated, f.optional, f.length)
        for f in fields_of(cls)
        if f.of is not np.ndarray
    )


@cache
def _grids_of(cls: type) -> tuple[tuple[str, bool], ...]:
    """Return the grids of a class, and whether each may lack."""
    return tuple((f.name, f.optional) for f in fields_of(cls) if f.of is np.ndarray)


def _fill(proto: Any, message: Any, cls: type) -> None:
    name = ""
    try:
        for field in fields_of(cls):
            name = field.name
            value = getattr(message, name)
            if field.is_message or field.repeated:
                _fill_composite(proto, field, value)
            elif value is not None or not field.optional:
                setattr(proto, name, value)
    except CodecError as error:
        raise CodecError(f"{name}.{error}") from None
    except (AttributeError, TypeError, ValueError) as error:
        raise CodecError(f"{name}: {error}") from error


def _fill_composite(proto: Any, field: Field, value: Any) -> None:
    if value is None and field.optional:
        return
    if field.length is not None and len(value) != field.length:
        raise ValueError(f"expected {field.length} values, found {len(value)}")
    slot = getattr(proto, field.name)
    if not field.is_message:
        slot.extend(value)
    elif field.repeated:
        for item in value:
            _fill_message(slot.add(), field, item)
    else:
        slot.SetInParent()
        _fill_message(slot, field, value)


def _fill_message(proto: Any, field: Field, value: Any) -> None:
    assert field.of is not None
    if field.of is np.ndarray:
        _fill_grid(proto, value)
    else:
        _fill(proto, value, field.of)


def _fill_grid(proto: Any, grid: Any) -> None:
    """Write the cells as the packed bytes that they are: fast, and no bit of a NaN changes."""
    if not isinstance(grid, np.ndarray) or grid.dtype != np.float32 or grid.ndim != 2:
        raise TypeError("expected a (rows, cols) float32 array")
    rows, cols = grid.shape
    data = grid.astype("<f4", copy=False).tobytes()
    proto.MergeFromString(_GRID_DATA_TAG + varint(len(data)) + data)
    proto.rows, proto.cols = rows, cols


def _read(proto: Any, cls: type) -> Any:
    return cls(*[_read_field(proto, field) for field in fields_of(cls)])


def _read_field(proto: Any, field: Field) -> Any:
    if field.repeated:
        return _read_tuple(proto, field)
    if not proto.HasField(field.name):
        if field.default is None:
            raise CodecError(f"{field.name}: missing")
        return field.default()
    value = getattr(proto, field.name)
    return value if field.of is None else _read_item(value, field)


def _read_tuple(proto: Any, field: Field) -> tuple[Any, ...]:
    values = getattr(proto, field.name)
    if field.length is not None and len(values) != field.length:
        if values or field.default is None:
            raise CodecError(f"{field.name}: expected {field.length} values, found {len(values)}")
        return typing.cast(tuple[Any, ...], field.default())
    if field.of is None:
        return tuple(values)
    return tuple(_read_item(value, field) for value in values)


def _read_item(value: Any, field: Field) -> Any:
    assert field.of is not None
    if field.of is np.ndarray:
        return _read_grid(value, field)
    if field.is_message:
        try:
            return _read(value, field.of)
        except CodecError as error:
            raise CodecError(f"{field.name}.{error}") from None
    try:
        return field.of(value)
    except ValueError:
        known = ", ".join(field.of)  # type: ignore[arg-type]
        raise CodecError(f"{field.name}: {value!r} is none of {known}") from None


def _read_grid(proto: Any, field: Field) -> Any:
    rows, cols = proto.rows, proto.cols
    if len(proto.data) != rows * cols:
        raise CodecError(f"{field.name}: {len(proto.data)} values for {rows} x {cols} cells")
    proto.DiscardUnknownFields()
    data = proto.SerializeToString()[-4 * rows * cols :] if rows * cols else b""
    return np.frombuffer(bytearray(data), "<f4").reshape(rows, cols).astype(np.float32, copy=False)
