"""What the commands share: options, printing one JSON object, and the need for an extra."""

from __future__ import annotations

import argparse
import importlib.util
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drone.errors import UserError
from drone.runfolder import strict_json


def command_parser(name: str, description: str, example: str) -> argparse.ArgumentParser:
    """Return the parser of a command, with an example at the end of its help."""
    return argparse.ArgumentParser(
        prog=f"drone {name}",
        description=description,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_config_options(parser: argparse.ArgumentParser, default: str | None) -> None:
    """Add --config and --set; without a default file, the built-in defaults hold."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="a TOML file (default: "
        + (f"launch/{default}, as it ships)" if default else "the built-in defaults)"),
    )
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        dest="overrides",
        help="override one setting, such as pilot.trust.max_fpr=0.3 (repeatable)",
    )


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Add --runs and --json."""
    parser.add_argument(
        "--runs", metavar="DIR", type=Path, default=Path("runs"), help="where run folders go"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object on standard output, else nothing"
    )


def print_json(value: Mapping[str, Any]) -> None:
    """Print one object, unknown as null."""
    sys.stdout.write(strict_json(value) + "\n")


def need(module: str, extra: str) -> None:
    """Check that an optional part is installed.

    Raises:
        UserError: it is not; the message says how to install it.
    """
    if importlib.util.find_spec(module) is None:
        raise UserError(
            f"this needs {module}, which is not installed: pip install 'drone[{extra}]'"
        )


def seed_range(text: str) -> range:
    """Return the seeds that `A-B` names, both ends included.

    Raises:
        UserError: not such a range.
    """
    from drone.config import SEEDS

    match = re.fullmatch(r"(\d+)-(\d+)", text)
    if not match or int(match[1]) > int(match[2]):
        raise UserError(f"--seeds {text!r}: expected a range such as 0-9")
    if int(match[2]) >= SEEDS:
        raise UserError(f"--seeds {text!r}: a seed must be less than {SEEDS}")
    return range(int(match[1]), int(match[2]) + 1)
