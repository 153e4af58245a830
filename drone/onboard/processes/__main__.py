"""Runs one process of a vehicle: `python -m drone.onboard.processes ROLE FOLDER`.

Run by the supervisor, never by hand.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from drone.errors import DroneError
from drone.onboard.processes.orders import read
from drone.onboard.processes.shell import settle


def main(role: str, folder: Path) -> int:
    """Run a role until it is told to end; 1 if it cannot go on."""
    module = {"trainer": "training.onboardtrainer", "web": "drone.web.follower"}.get(
        role, f"drone.onboard.processes.{role}"
    )
    try:
        config = getattr(read(folder).config.processes, role)
        for note in settle(config, dies_with_parent=role != "link"):
            print(f"drone onboard: {role}: {note}", file=sys.stderr)  # noqa: T201
        import_module(module).run(folder)
    except DroneError as error:
        print(f"drone onboard: {role}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
