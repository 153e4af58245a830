"""Bundles for this machine whose project is a stand-in: its doctor reads the model's one word."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

from drone.deploy.bundle import Bundle, write_bundle
from drone.deploy.packages import Machine
from drone.deploy.target.services import UNIT

HERE = Machine(platform.machine(), f"{sys.version_info[0]}.{sys.version_info[1]}")
STAND_IN = """
import json, pathlib, sys
assert sys.flags.isolated, "it must see its own packages alone"
config = pathlib.Path(sys.argv[sys.argv.index("--config") + 1])
word = config.with_name("model.onnx").read_text()
if word == "crash":
    sys.exit("boom")
verdict = "ok" if word.startswith("good") else "fail"
finding = {"name": "model.loads", "verdict": verdict, "what": f"is {word}", "fix": "export it"}
print(json.dumps({"findings": [finding], "ran": __file__}))
sys.exit(verdict == "fail")
"""


def make(folder: Path, model: str = "good", machine: Machine = HERE, **more: str) -> Bundle:
    """Write a small bundle."""
    packages = folder / f"packages-{model}"
    (packages / "drone").mkdir(parents=True, exist_ok=True)
    (packages / "drone" / "__init__.py").touch()
    (packages / "drone" / "__main__.py").write_text(STAND_IN)
    files = {"model.onnx": model, "config.toml": "", UNIT: "[Unit]\n[Service]\n[Install]\n", **more}
    data = {name: text.encode() for name, text in files.items()}
    return write_bundle(folder / f"{model}.tar.gz", machine, packages, data)
