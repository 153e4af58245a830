"""Why an autopilot is not heard, in words, from what came over the line."""

from __future__ import annotations

from dataclasses import dataclass, field

ENOUGH_BYTES = 200
"""With so many bytes and no message in them, what comes is something else."""


@dataclass
class LineCounts:
    """What came over a line since it was opened.

    Attributes:
        read_bytes: all of them.
        messages: rightly formed, and signed where that is asked for.
        unsigned: messages that lack the right signature.
        systems: heartbeats of autopilots, by system id.
        others: heartbeats of ground stations, cameras and the like.
    """

    read_bytes: int = 0
    messages: int = 0
    unsigned: int = 0
    systems: dict[int, int] = field(default_factory=dict)
    others: int = 0


def diagnosis(line: str, counts: LineCounts, system_id: int, signed: bool) -> str:
    """Return in words why no autopilot is heard.

    Args:
        line: its name.
        counts: what came over it.
        system_id: that is wanted, 0 for any.
        signed: messages must be.
    """
    if counts.systems and system_id and system_id not in counts.systems:
        heard = ", ".join(map(str, sorted(counts.systems)))
        return (
            f"{line}: no autopilot with system id {system_id}; heard: {heard}. Right is "
            f"autopilot.system_id = {min(counts.systems)}, or 0 for the only one"
        )
    if counts.systems:
        return f"{line}: the autopilot has fallen silent"
    if counts.unsigned and signed:
        return (
            f"{line}: {counts.unsigned} messages without the right signature, none with it: the "
            "autopilot has another key, or none (autopilot.signing_key)"
        )
    if counts.messages:
        return (
            f"{line}: MAVLink comes ({counts.messages} messages), but no autopilot's heartbeat: is "
            "there only a ground station or a camera at the other end?"
        )
    return f"{line}: {_without_messages(line, counts)}"


def _without_messages(line: str, counts: LineCounts) -> str:
    if not counts.read_bytes:
        return (
            "no autopilot: nothing comes at all. Is it powered, are TX and RX crossed, is this its "
            "port, and does it speak MAVLink 2 there (SERIALn_PROTOCOL = 2, MAV_n_CONFIG)?"
        )
    if counts.read_bytes < ENOUGH_BYTES:
        return f"no autopilot yet: {counts.read_bytes} bytes, and no message in them"
    if "baud" in line:
        return (
            f"{counts.read_bytes} bytes and no message in them: the baud rate is most likely wrong "
            "(right is the autopilot's SERIALn_BAUD or SER_TELn_BAUD)"
        )
    return f"{counts.read_bytes} bytes and no message in them: what comes is not MAVLink"


def rivalry(systems: dict[int, int], senders: dict[int, set[tuple[str, int]]]) -> str:
    """Return in words which autopilots are heard at once; empty if there is one at most.

    Args:
        systems: system ids heard of late, with when.
        senders: whence each was heard of late, over UDP.
    """
    if len(systems) > 1:
        heard = " and ".join(map(str, sorted(systems)))
        return (
            f"two autopilots are heard, system ids {heard}: set autopilot.system_id to the one "
            "that flies here"
        )
    for system, places in senders.items():
        if len(places) > 1:
            where = " and ".join(f"{host}:{port}" for host, port in sorted(places))
            return (
                f"two autopilots with the same system id {system} are heard, from {where}: give "
                "each another one, or each link its own port"
            )
    return ""
