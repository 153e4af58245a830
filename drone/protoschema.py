"""Dataclasses to protobuf schemas: in comes a message class, out come its fields and descriptor.

No .proto file can fall behind, since the schema is made from the dataclass itself: package `drone`,
message name = class name, field numbers by order of declaration, `float` as double, `int` as int64,
a string enum as string, a `FloatGrid` as `Grid {rows, cols, data}`. Every single value has explicit
presence, so that a field that an older log lacks differs from one that is 0.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from numpy.typing import NDArray

PACKAGE = "drone"

_Proto = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    int: _Proto.TYPE_INT64,
    float: _Proto.TYPE_DOUBLE,
    bool: _Proto.TYPE_BOOL,
    str: _Proto.TYPE_STRING,
    bytes: _Proto.TYPE_BYTES,
}
_ARRAYS = (np.ndarray, NDArray)
"""Where an array's type comes from; `NDArray` is an alias of its own from numpy 2.5 on."""
_GRID = "Grid"
_MESSAGE_PATH = descriptor_pb2.FileDescriptorProto.MESSAGE_TYPE_FIELD_NUMBER
_FIELD_PATH = descriptor_pb2.DescriptorProto.FIELD_FIELD_NUMBER


@dataclass(frozen=True, slots=True)
class Field:
    """How one field of a dataclass is written and read.

    Attributes:
        wire: the protobuf type.
        of: dataclass or `np.ndarray` of a sub-message, enum of a string, None otherwise.
        optional: None is a value, written as absence.
        repeated: a tuple.
        length: of a tuple of fixed length.
        default: makes the value of a missing field; None where there is no default.
    """

    name: str
    wire: _Proto.Type.ValueType
    of: type | None
    optional: bool
    repeated: bool
    length: int | None
    default: Callable[[], Any] | None

    @property
    def is_message(self) -> bool:
        """True for a sub-message."""
        return self.wire == _Proto.TYPE_MESSAGE

    @property
    def is_bytes(self) -> bool:
        """True for plain bytes."""
        return self.wire == _Proto.TYPE_BYTES

    @property
    def type_name(self) -> str:
        """The name of the sub-message."""
        assert self.of is not None
        return _GRID if self.of is np.ndarray else self.of.__name__


@cache
def schema(cls: type) -> tuple[str, bytes]:
    """Return the full name and the serialized FileDescriptorSet of a message class.

    Raises:
        TypeError: a field has a type that has no protobuf counterpart here.
    """
    files = descriptor_pb2.FileDescriptorSet(file=[_file(cls)])
    return f"{PACKAGE}.{cls.__name__}", files.SerializeToString()


def attribute_docs(cls: type) -> dict[str, str]:
    """Return what the `Attributes:` section of a class's docstring says, by field."""
    _, _, section = (inspect.getdoc(cls) or "").partition("Attributes:\n")
    entries = re.findall(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", section, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", text) for name, text in entries}


def field_types(cls: type) -> dict[str, str]:
    """Return each field's type as it would stand in a .proto file, for the documentation."""
    return {field.name: _type_text(field) for field in fields_of(cls)}


def _type_text(field: Field) -> str:
    if field.is_message:
        base = field.type_name
    else:
        base = _Proto.Type.Name(field.wire).removeprefix("TYPE_").lower()
    if field.repeated:
        return f"repeated {base}" + (f" ({field.length})" if field.length else "")
    return f"optional {base}" if field.optional else base


def varint(number: int) -> bytes:
    """Return a number that is not negative as protobuf's variable-length integer."""
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


@cache
def proto_class(cls: type) -> Any:
    """Return the protobuf class of a message class."""
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_file(cls))
    descriptor = pool.FindMessageTypeByName(f"{PACKAGE}.{cls.__name__}")
    return message_factory.GetMessageClass(descriptor)


@cache
def fields_of(cls: type) -> tuple[Field, ...]:
    """Return the fields of a message class in order of declaration.

    Raises:
        TypeError: no dataclass, or a field that could not come back as it was.
    """
    if not dataclasses.is_dataclass(cls):
        raise TypeError(f"{cls.__name__} is not a dataclass")
    hints = typing.get_type_hints(cls)
    return tuple(_field(cls, f, hints[f.name]) for f in dataclasses.fields(cls))


def _field(cls: type, field: dataclasses.Field[Any], hint: Any) -> Field:
    where = f"{cls.__name__}.{field.name}"
    item, optional = _without_none(hint)
    repeated, length = False, None
    if typing.get_origin(item) is tuple:
        repeated, (item, length) = True, _tuple_item(item, where)
        if optional:
            raise TypeError(f"{where}: None and an empty tuple are the same on the wire")
    wire, of = _wire_type(item, where)
    default = _default(field)
    if optional and default is None:
        default = _none
    result = Field(field.name, wire, of, optional, repeated, length, default)
    _check_default(result, where)
    return result


def _none() -> None:
    return None


def _without_none(hint: Any) -> tuple[Any, bool]:
    if typing.get_origin(hint) not in (types.UnionType, typing.Union):
        return hint, False
    rest = [arm for arm in typing.get_args(hint) if arm is not type(None)]
    return (rest[0], True) if len(rest) == 1 else (hint, False)


def _tuple_item(hint: Any, where: str) -> tuple[Any, int | None]:
    items = typing.get_args(hint)
    if len(items) == 2 and items[1] is Ellipsis:
        return items[0], None
    if not items or any(item is not items[0] for item in items):
        raise TypeError(f"{where}: a tuple must hold one type, not {hint}")
    return items[0], len(items)


def _wire_type(hint: Any, where: str) -> tuple[_Proto.Type.ValueType, type | None]:
    if hint in _SCALARS:
        return _SCALARS[hint], None
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _Proto.TYPE_STRING, hint
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _Proto.TYPE_MESSAGE, hint
    if typing.get_origin(hint) in _ARRAYS and "float32" in str(hint):
        return _Proto.TYPE_MESSAGE, np.ndarray
    raise TypeError(f"{where}: {hint} has no protobuf counterpart here")


def _default(field: dataclasses.Field[Any]) -> Callable[[], Any] | None:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory
    if field.default is not dataclasses.MISSING:
        value = field.default
        return lambda: value
    return None


def _check_default(field: Field, where: str) -> None:
    """Refuse a default that absence on the wire could not tell from None or from ()."""
    if field.default is None:
        return
    if field.optional and field.default() is not None:
        raise TypeError(f"{where}: the default of an optional field must be None")
    if field.repeated and field.length is None and field.default() != ():
        raise TypeError(f"{where}: the default of a tuple must be empty")


def _file(cls: type) -> descriptor_pb2.FileDescriptorProto:
    """Describe a class and all that it holds in one file of its own."""
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{PACKAGE}/{cls.__name__}.proto", package=PACKAGE, syntax="proto3"
    )
    for index, part in enumerate(dict.fromkeys(_parts(cls))):
        if part is np.ndarray:
            _describe_grid(file.message_type.add(name=_GRID))
        else:
            _describe(file.message_type.add(name=part.__name__), part)
            _comment(file.source_code_info, index, part)
    return file


def _parts(cls: type) -> Iterator[type]:
    yield cls
    for field in fields_of(cls) if cls is not np.ndarray else ():
        if field.is_message and field.of is not None:
            yield from _parts(field.of)


def _describe(message: descriptor_pb2.DescriptorProto, cls: type) -> None:
    for number, field in enumerate(fields_of(cls), start=1):
        proto = message.field.add(name=field.name, number=number, type=field.wire)
        if field.is_message:
            proto.type_name = f".{PACKAGE}.{field.type_name}"
        if field.repeated:
            proto.label = _Proto.LABEL_REPEATED
            continue
        proto.label = _Proto.LABEL_OPTIONAL
        if not field.is_message:  # a sub-message has presence by itself
            proto.proto3_optional = True
            proto.oneof_index = len(message.oneof_decl)
            message.oneof_decl.add(name=f"_{field.name}")


def _describe_grid(message: descriptor_pb2.DescriptorProto) -> None:
    for number, name in enumerate(("rows", "cols"), start=1):
        message.field.add(
            name=name, number=number, type=_Proto.TYPE_UINT32, label=_Proto.LABEL_OPTIONAL
        )
    message.field.add(name="data", number=3, type=_Proto.TYPE_FLOAT, label=_Proto.LABEL_REPEATED)


def _comment(info: descriptor_pb2.SourceCodeInfo, index: int, cls: type) -> None:
    """Carry the docstrings into the schema, for the tools that show them."""
    summary = (inspect.getdoc(cls) or "").partition("\n")[0]
    path = [_MESSAGE_PATH, index]
    info.location.add(path=path, span=[0, 0, 0], leading_comments=f" {summary}\n")
    docs = attribute_docs(cls)
    for number, field in enumerate(fields_of(cls)):
        if field.name in docs:
            text = f" {docs[field.name]}\n"
            place = [*path, _FIELD_PATH, number]
            info.location.add(path=place, span=[0, 0, 0], leading_comments=text)
