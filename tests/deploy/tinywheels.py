"""Wheels of a few bytes for what the project needs, one with a binary of one machine."""

from __future__ import annotations

import re
import struct
import tomllib
import zipfile
from pathlib import Path

ELF_MACHINES = {"x86_64": 62, "aarch64": 183}


def elf(arch: str) -> bytes:
    """Return the beginning of a shared object for a machine."""
    return b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 3, ELF_MACHINES[arch]) + bytes(44)


def wheel(folder: Path, name: str, version: str, files: dict[str, bytes], **options: str) -> Path:
    """Write one."""
    tag = options.get("tag", "py3-none-any")
    info = f"{name}-{version}.dist-info"
    path = folder / f"{name}-{version}-{tag}.whl"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += options.get("requires", "")
    about = {
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
    }
    with zipfile.ZipFile(path, "w") as archive:
        for file, data in {**files, **about}.items():
            archive.writestr(file, data)
        record = "".join(f"{file},,\n" for file in [*files, *about, f"{info}/RECORD"])
        archive.writestr(f"{info}/RECORD", record)
    return path


def needed(pyproject: Path, *extras: str) -> dict[str, str]:
    """Return the project's requirements and a version that meets each."""
    project = tomllib.loads(pyproject.read_text())["project"]
    lines = [*project["dependencies"]]
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    found = {}
    for line in lines:
        match = re.fullmatch(r"([A-Za-z0-9_-]+)(?:\[[^]]*])?>=([0-9.]+).*", line)
        assert match, line
        found[match[1].replace("-", "_")] = match[2]
    return found
