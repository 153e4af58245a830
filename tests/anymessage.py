"""Hypothesis strategies for every message that a class allows, to the last bit pattern."""

import dataclasses
import struct
import typing
from enum import StrEnum

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from drone.messages import FloatGrid

any_float = st.one_of(
    st.floats(),
    st.integers(0, 2**64 - 1).map(lambda n: struct.unpack("<d", struct.pack("<Q", n))[0]),
)
any_grid = hnp.arrays(np.uint32, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0)).map(
    lambda raw: raw.view(np.float32)
)


def values_of(hint: typing.Any) -> st.SearchStrategy[typing.Any]:
    """Every value that a field of this type may have."""
    simple = {
        int: st.integers(-(2**63), 2**63 - 1),
        float: any_float,
        bool: st.booleans(),
        str: st.text(),
        bytes: st.binary(),
        FloatGrid: any_grid,
    }
    if hint in simple:
        return simple[hint]
    if dataclasses.is_dataclass(hint):
        return messages_of(hint)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return st.sampled_from(hint)
    args = typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        if args[-1] is Ellipsis:
            return st.lists(values_of(args[0]), max_size=5).map(tuple)
        return st.tuples(*map(values_of, args))
    return st.one_of(st.none(), *(values_of(arg) for arg in args if arg is not type(None)))


def messages_of(cls: type) -> st.SearchStrategy[typing.Any]:
    """Every message of a class."""
    hints = typing.get_type_hints(cls)
    return st.builds(cls, **{f.name: values_of(hints[f.name]) for f in dataclasses.fields(cls)})


def example_of(cls: type) -> typing.Any:
    """One message of a class, without hypothesis' search."""
    hints = typing.get_type_hints(cls)
    return cls(**{f.name: _example_value(hints[f.name]) for f in dataclasses.fields(cls)})


def _example_value(hint: typing.Any) -> typing.Any:
    simple = {int: 3, float: 0.1, bool: True, str: "x", bytes: b"y"}
    if hint in simple:
        return simple[hint]
    if hint == FloatGrid:
        return np.array([[0.1, np.nan, -0.0]], np.float32)
    if dataclasses.is_dataclass(hint):
        return example_of(typing.cast(type, hint))
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return next(iter(hint))
    args = typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        return tuple(_example_value(arg) for arg in args if arg is not Ellipsis)
    return _example_value(args[0])
