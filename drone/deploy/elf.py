"""For which machine a binary was made, by its ELF header."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

MAGIC = b"\x7fELF"
ARCHITECTURES = {62: "x86_64", 183: "aarch64"}
"""e_machine of the System V ABI: EM_X86_64, EM_AARCH64."""


def architecture(head: bytes) -> str | None:
    """Return the machine of an ELF file, by its first 20 bytes; None where it is no ELF file.

    Unknown machines are named by their number; 32-bit files of known ones are told apart.
    """
    if len(head) < 20 or not head.startswith(MAGIC):
        return None
    order = ">" if head[5] == 2 else "<"
    (machine,) = struct.unpack_from(f"{order}H", head, 18)
    name = ARCHITECTURES.get(machine, f"ELF machine {machine}")
    return name if head[4] == 2 else f"{name}, 32 bits"


def binaries(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield each ELF file below a folder, with its machine."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                machine = architecture(file.read(20))
            if machine is not None:
                yield path, machine
