"""Bytes and MAVLink messages of the simulated flight controller.

In: datagrams. Out: the messages in them that can be trusted; and the other way round. A fresh
parser per datagram: garbage in one cannot spoil the next. Messages of unknown id, which no checksum
covers, are dropped, and so is what a peer with the wrong key or none signed.
"""

from __future__ import annotations

from typing import Any

from pymavlink.dialects.v20 import common as mavlink

SYSTEM, COMPONENT = 1, 1
"""MAVLink ids of the autopilot: MAV_COMP_ID_AUTOPILOT1."""
_UNSIGNED = frozenset({mavlink.MAVLINK_MSG_ID_RADIO_STATUS})
"""What is heard unsigned even with a key: radios cannot sign."""


class Wire:
    """One end of a MAVLink 2 link.

    State: the number of the next message, and signing's timestamps.
    """

    def __init__(self, key: bytes | None = None, stamp_10us: int = 0, link: int = 0) -> None:
        """Open it.

        Args:
            key: of MAVLink 2 signing, 32 bytes; None: nothing is signed, anybody is heard.
            stamp_10us: time since 2015-01-01 in units of 10 us, for signing.
            link: number of this link, part of a signature.

        Raises:
            ValueError: the key has another length.
        """
        if key is not None and len(key) != 32:
            raise ValueError(f"a signing key has 32 bytes, not {len(key)}")
        self._mav = self._parser()
        self._signing = self._mav.signing
        self._signing.secret_key = key
        self._signing.timestamp = stamp_10us
        self._signing.link_id = link
        self._signing.sign_outgoing = key is not None
        self._signing.allow_unsigned_callback = lambda _, number: number in _UNSIGNED

    def pack(self, message: Any) -> bytes:
        """Return the message as it travels."""
        data = bytes(message.pack(self._mav))
        self._mav.seq = (self._mav.seq + 1) % 256
        return data

    def unpack(self, datagram: bytes) -> list[Any]:
        """Return the messages of a datagram that are whole, known and, with a key, signed by it."""
        parser = self._parser()
        parser.robust_parsing = True
        parser.signing = self._signing
        known = dict(self._signing.stream_timestamps)
        heard = []
        for message in parser.parse_buffer(datagram) or ():
            kind = message.get_type()
            if kind == "BAD_DATA":
                # A forged timestamp must not shut out the right one's.
                self._signing.stream_timestamps = dict(known)
            elif not kind.startswith("UNKNOWN"):
                known = dict(self._signing.stream_timestamps)
                heard.append(message)
        return heard

    @staticmethod
    def _parser() -> Any:
        return mavlink.MAVLink(None, srcSystem=SYSTEM, srcComponent=COMPONENT)


def is_for_us(message: Any) -> bool:
    """Return whether a message is for everybody, or for this autopilot."""
    system = getattr(message, "target_system", 0)
    component = getattr(message, "target_component", 0)
    return system in (0, SYSTEM) and component in (0, COMPONENT)
