"""The `drone` command: picks one of `drone.commands`, and turns errors into one line.

Exit codes: 0 done, 1 the work failed, 2 wrong use. Only the chosen command is imported.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import sys
from collections.abc import Sequence

from drone import __version__
from drone.errors import DroneError

COMMANDS = {
    "fly": "fly in the simulated room: stereo teaches, mono takes over",
    "onboard": "fly a vehicle, beside its autopilot",
    "room": "make, look at and save rooms; the contact sheet",
    "replay": "replay a flight log exactly, or learn from a recorded data set",
    "runs": "list the flights that there are, or bring those of a companion home",
    "tune": "tune the thresholds of trust on flights of your own",
    "report": "make the report of a flight anew",
    "experiment": "repeat the paper's experiments, with intervals",
    "export": "write the model of a flight as one file, float or int8",
    "deploy": "bring a release onto a companion computer, or roll it back",
    "doctor": "look at a vehicle before it flies: what is wrong, and what to do",
    "calibrate": "calibrate a stereo camera from pictures of a board",
    "bench": "measure this stack against its floors",
}

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)
"""Errors of a file that are no wrong use."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    name = arguments[0] if arguments else "--help"
    if name not in COMMANDS:
        _top_level().parse_args([name])
        return 2
    module = importlib.import_module(f"drone.commands.{name}")
    parser: argparse.ArgumentParser = module.parser()
    try:
        return int(module.run(parser.parse_args(arguments[1:])))
    except DroneError as error:
        print(f"drone {name}: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    except KeyboardInterrupt:
        print(f"drone {name}: interrupted", file=sys.stderr)  # noqa: T201
        return 1
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except OSError as error:
        if error.filename is None or error.strerror is None:
            raise  # of no file that a user could have named: a mistake of ours
        print(f"drone {name}: {error.filename}: {error.strerror}", file=sys.stderr)  # noqa: T201
        return 1 if error.errno in _DISK else 2


def _top_level() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS))
    listing = "\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="drone",
        description="Drones that teach themselves to see.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"commands:\n{listing}\n\nexample: drone fly --seed 1\n"
        "Each command has its own --help.",
    )
    parser.add_argument("command", choices=COMMANDS, metavar="command", help="see below")
    parser.add_argument("--version", action="version", version=f"drone {__version__}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
