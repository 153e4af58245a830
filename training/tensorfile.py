"""Named arrays in one file, in the format of safetensors: no pickle, and any tool reads it.

    8 bytes: length of the header, little endian ─► header: JSON of name, dtype, shape, place
    ─► the arrays' bytes, one after the other

Source: the format's description, github.com/huggingface/safetensors. Written array by array, so
that no second copy of everything is made; the SHA-256 is taken along the way.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Mapping
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

DTYPES = {"F32": "<f4", "F64": "<f8", "U8": "|u1", "I64": "<i8"}
"""What can be kept, and NumPy's name for it."""
MAX_HEADER_BYTES = 100_000_000
"""As the format says."""
_NAMES = {np.dtype(numpy): name for name, numpy in DTYPES.items()}

Arrays = Mapping[str, NDArray[Any]]


class DamagedError(ValueError):
    """A file does not hold what it should; the message says what is wrong, not where."""


class Written(NamedTuple):
    """What was written."""

    sha256: str
    size_bytes: int


def write_arrays(file: BinaryIO, arrays: Arrays, facts: Mapping[str, str]) -> Written:
    """Write arrays and a few words about them.

    Args:
        file: to write to, from its beginning.
        arrays: of a type in `DTYPES`.
        facts: goes into the header.

    Raises:
        OSError: it cannot be written.
        ValueError: an array of another type.
    """
    header = _header(arrays, facts)
    digest, size = hashlib.sha256(), 0
    parts: list[bytes | memoryview] = [len(header).to_bytes(8, "little"), header]
    for part in (*parts, *map(_bytes, arrays.values())):
        file.write(part)
        digest.update(part)
        size += len(part)
    return Written(digest.hexdigest(), size)


def file_of_arrays(arrays: Arrays, facts: Mapping[str, str]) -> bytes:
    """Return what `write_arrays` writes."""
    file = io.BytesIO()
    write_arrays(file, arrays, facts)
    return file.getvalue()


def read_arrays(data: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Return the arrays of a file and the words about them.

    Raises:
        DamagedError: not such a file, or a part of one.
    """
    try:
        length = int.from_bytes(data[:8], "little")
        if not 0 < length <= min(MAX_HEADER_BYTES, len(data) - 8):
            raise DamagedError("its header is longer than the file")
        header = json.loads(data[8 : 8 + length])
        facts = header.pop("__metadata__", {})
        body = memoryview(data)[8 + length :]
        return {name: _array(body, entry) for name, entry in header.items()}, facts
    except DamagedError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"its header makes no sense ({error})") from error


def _header(arrays: Arrays, facts: Mapping[str, str]) -> bytes:
    entries: dict[str, Any] = {"__metadata__": dict(facts)}
    start = 0
    for name, array in arrays.items():
        if array.dtype not in _NAMES:
            raise ValueError(f"{name}: arrays of {array.dtype} are not kept")
        end = start + array.nbytes
        entries[name] = {
            "dtype": _NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [start, end],
        }
        start = end
    header = json.dumps(entries).encode()
    return header + b" " * (-len(header) % 8)


def _bytes(array: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _array(body: memoryview, entry: Mapping[str, Any]) -> NDArray[Any]:
    dtype, shape = np.dtype(DTYPES[entry["dtype"]]), tuple(entry["shape"])
    start, end = entry["data_offsets"]
    if not 0 <= start <= end <= len(body) or end - start != math.prod(shape) * dtype.itemsize:
        raise DamagedError("it is cut short")
    return np.frombuffer(body[start:end], dtype).reshape(shape).copy()
