"""A room in a file of its own: TOML or JSON, with the keys of `sim.room.layout`."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from drone.config.loading import explain
from drone.config.room import LayoutConfig
from drone.errors import UserError, WorkFailedError

_SUFFIXES = (".toml", ".json")


def read_layout(path: Path) -> LayoutConfig:
    """Read a room.

    Raises:
        UserError: no such file, not TOML or JSON, or not a room.
    """
    try:
        text = path.read_text(encoding="utf-8")
        tree = json.loads(text) if _suffix(path) == ".json" else tomllib.loads(text)
        return LayoutConfig.model_validate(_layout_in(tree))
    except FileNotFoundError:
        raise UserError(f"no room file {path}; drone room --save FILE makes one") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise UserError(f"{path}: {explain(error, LayoutConfig)}") from error
    except ValueError as error:  # of JSON, TOML or their encoding
        raise UserError(f"{path}: not valid {_suffix(path)[1:].upper()}: {error}") from error


def write_layout(path: Path, layout: LayoutConfig) -> None:
    """Write a room, so that `read_layout` reads it back equal.

    Raises:
        UserError: the file's name ends neither in .toml nor in .json.
        WorkFailedError: it cannot be written.
    """
    tree = layout.model_dump(mode="json", exclude_none=True)
    text = json.dumps(tree, indent=2) + "\n" if _suffix(path) == ".json" else tomli_w.dumps(tree)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise WorkFailedError(f"{path}: cannot be written: {error.strerror}") from error


def _layout_in(tree: Any) -> Any:
    """Return the room of a file, which may also be a whole situation such as those in launch/."""
    try:
        return tree["sim"]["room"]["layout"]
    except (KeyError, TypeError):
        return tree


def _suffix(path: Path) -> str:
    if path.suffix.lower() not in _SUFFIXES:
        raise UserError(f"{path}: a room file ends in .toml or .json")
    return path.suffix.lower()
