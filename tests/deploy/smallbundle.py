"""Bundles for this machine whose project is a stand-in: its doctor reads the model's one word."""

from __future__ import annotations

import platform
import shutil
import sys
import sysconfig
from pathlib import Path

import drone
from drone.config import launch_folder
from drone.deploy.bundle import Bundle, write_bundle
from drone.deploy.packages import Machine
from drone.deploy.target.services import UNIT

HERE = Machine(platform.machine(), f"{sys.version_info[0]}.{sys.version_info[1]}")
STAND_IN = """
import json, pathlib, sys, time
assert sys.flags.isolated, "it must see its own packages alone"
if sys.argv[1] == "onboard":
    time.sleep(600)
config = pathlib.Path(sys.argv[sys.argv.index("--config") + 1])
word = config.with_name("model.onnx").read_text()
if word == "crash":
    sys.exit("boom")
verdict = "ok" if word.startswith("good") else "fail"
finding = {"name": "model.loads", "verdict": verdict, "what": f"is {word}", "fix": "export it"}
print(json.dumps({"findings": [finding], "ran": __file__}))
sys.exit(verdict == "fail")
"""


SYSTEMCTL = """#!/bin/sh
case "$*" in
  "--user restart"*)
    test -f {home}/pid && kill "$(cat {home}/pid)"
    {home}/drone/current/bin/drone onboard >/dev/null 2>&1 </dev/null &
    echo $! > {home}/pid ;;
esac
"""
"""A stand-in for systemd's own, that starts what is current."""


def make_whole(folder: Path, name: str, files: dict[str, bytes]) -> Bundle:
    """Write a bundle of the project as it is here; other packages are those of this Python."""
    packages = folder / f"packages-{name}"
    here = Path(drone.__file__).parent
    shutil.copytree(here, packages / "drone", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(launch_folder(), packages / "drone" / "launch", dirs_exist_ok=True)
    (packages / "here.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return write_bundle(folder / f"{name}.tar.gz", HERE, packages, files)


def make(folder: Path, model: str = "good", machine: Machine = HERE, **more: str) -> Bundle:
    """Write a small bundle."""
    packages = folder / f"packages-{model}"
    (packages / "drone").mkdir(parents=True, exist_ok=True)
    (packages / "drone" / "__init__.py").touch()
    (packages / "drone" / "__main__.py").write_text(STAND_IN)
    files = {"model.onnx": model, "config.toml": "", UNIT: "[Unit]\n[Service]\n[Install]\n", **more}
    data = {name: text.encode() for name, text in files.items()}
    return write_bundle(folder / f"{model}.tar.gz", machine, packages, data)
