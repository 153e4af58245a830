"""From bytes to MAVLink messages, whatever lies between them.

A message is cut out by its header, and counts only if the decoder takes it: wrong checksum, wrong
signature or an unknown id (whose checksum nobody can check) make it garbage, and the search goes on
one byte later. So garbage costs no message that stands whole beside or inside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

_V1, _V2 = 0xFE, 0xFD
_SIGNED = 1
"""Of the incompatibility flags; no other is known."""
LONGEST = 10 + 255 + 2 + 13
"""Bytes of a message, signature included."""

Message = TypeVar("Message")


def take_messages(
    buffer: bytearray,
    decode: Callable[[bytearray], Message | None],
    known: Callable[[int], bool],
    *,
    whole: bool,
) -> list[Message]:
    """Return the messages in a buffer, and leave in it only what may still become one.

    Args:
        buffer: bytes as they came; what is used, or garbage, is removed.
        decode: returns the message of these bytes, None if they are none.
        known: whether a message has this id.
        whole: nothing follows, as in a datagram.
    """
    found: list[Message] = []
    start = 0
    while (start := _next_start(buffer, start)) < len(buffer):
        length = _length(buffer[start : start + 10], known)
        if start + length > len(buffer) and not whole:
            break  # the rest of it may still come
        complete = 0 < length <= len(buffer) - start
        message = decode(buffer[start : start + length]) if complete else None
        found += [] if message is None else [message]
        start += 1 if message is None else length
    del buffer[:start]
    return found


def _next_start(buffer: bytearray, start: int) -> int:
    """Return where a message may begin next, the end of the buffer if nowhere."""
    places = [place for place in (buffer.find(_V1, start), buffer.find(_V2, start)) if place >= 0]
    return min(places, default=len(buffer))


def _length(head: bytearray, known: Callable[[int], bool]) -> int:
    """Return how long the message with this header is, 0 if it is none.

    A header that is not all there yet counts as the longest one.
    """
    if head[0] == _V1:
        if len(head) < 6:
            return LONGEST
        return 8 + head[1] if known(head[5]) else 0
    if len(head) >= 3 and head[2] & ~_SIGNED:
        return 0
    if len(head) < 10:
        return LONGEST
    signature = 13 if head[2] & _SIGNED else 0
    return 12 + head[1] + signature if known(int.from_bytes(head[7:10], "little")) else 0
