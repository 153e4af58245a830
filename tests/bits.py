"""Equality to the bit, which == is not: NaN, -0.0, array dtypes."""

import dataclasses
import struct
from typing import Any

import numpy as np


def bits(value: Any) -> Any:
    """Return something that compares equal only for values of equal type and bit pattern."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return type(value), [bits(getattr(value, field.name)) for field in fields]
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, tuple):
        return type(value), [bits(item) for item in value]
    if isinstance(value, float):
        return type(value), struct.pack("<d", value)
    return type(value), value
