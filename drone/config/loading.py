"""From a TOML file and overrides to the tree, or one line that says what is wrong with them."""

from __future__ import annotations

import copy
import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from drone.config.tree import Config
from drone.errors import UserError

Tree = TypeVar("Tree", bound=BaseModel)


def launch_folder() -> Path:
    """Return the folder with the situations that ship with the project."""
    here = Path(__file__).resolve().parents[1]
    return here / "launch" if (here / "launch").is_dir() else here.parent / "launch"


def load(
    path: Path | str | None = None,
    overrides: Sequence[str] = (),
    room: Mapping[str, Any] | None = None,
) -> Config:
    """Read a configuration.

    Args:
        path: a TOML file, or None for the defaults.
        overrides: `dotted.key=value` with a TOML value (bare words count as strings).
        room: keys of `sim.room` that stand for the file's whole room, its changes aside.

    Raises:
        UserError: the file is missing or malformed, a key unknown, or a value out of range.
    """
    tree, where = _read(path)
    if room is not None:
        _validate(tree, where, Config)
        tree = _with_room(tree, room)
    return _overridden(tree, where, overrides, Config)


def load_as(root: type[Tree], path: Path | str | None, overrides: Sequence[str] = ()) -> Tree:
    """Read a configuration whose tree is another than a flight's.

    Args:
        root: its class.
        path: as in `load`.
        overrides: as in `load`.

    Raises:
        UserError: as `load`.
    """
    return _overridden(*_read(path), overrides, root)


def loads(text: str, where: str, overrides: Sequence[str] = ()) -> Config:
    """Read a configuration from TOML text, such as a log's first record.

    Args:
        text: TOML.
        where: it comes from, for messages.
        overrides: as in `load`.

    Raises:
        UserError: as `load`.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{where}: not valid TOML: {error}") from error
    return _overridden(tree, where, overrides, Config)


def _overridden(
    tree: dict[str, Any], where: str, overrides: Sequence[str], root: type[Tree]
) -> Tree:
    if not overrides:
        return _validate(tree, where, root)
    merged = copy.deepcopy(tree)
    for override in overrides:
        _apply(merged, override)
    try:
        return _validate(merged, f"override {', '.join(overrides)}", root)
    except UserError:
        _validate(tree, where, root)  # a mistake of the file itself is told first
        raise


def _with_room(tree: Mapping[str, Any], room: Mapping[str, Any]) -> dict[str, Any]:
    """Return a (valid) tree with another room."""
    merged = copy.deepcopy(dict(tree))
    sim = merged.setdefault("sim", {})
    changes = sim.get("room", {}).get("changes")
    sim["room"] = dict(room) | ({} if changes is None else {"changes": changes})
    return merged


def _read(path: Path | str | None) -> tuple[dict[str, Any], str]:
    """Return the tree of a file, and where it comes from, for messages."""
    if path is None:
        return {}, "the built-in defaults"
    return _read_toml(Path(path)), str(path)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(p.name for p in launch_folder().glob("*.toml")))
        raise UserError(
            f"no configuration file {path}; those that ship are in {launch_folder()}: {known}"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid TOML: {error}") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error


def _apply(tree: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not all(key.split(".")):
        raise UserError(f"override {override!r}: expected dotted.key=value, such as flight.seed=3")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *sections, last = key.strip().split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise UserError(f"override {override!r}: {section!r} is a value, not a section")
    tree[last] = value


def _validate(tree: Mapping[str, Any], where: str, root: type[Tree]) -> Tree:
    try:
        return root.model_validate(tree)
    except ValidationError as error:
        raise UserError(f"{where}: {explain(error, root)}") from error


def explain(error: ValidationError, root: type[BaseModel] = Config) -> str:
    """Return in one line what is wrong with the values of a section, `root`."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        message = f"unknown key {key!r}{_near_keys(first['loc'], root)}"
    elif first["type"] == "value_error":
        message = f"{key + ': ' if key else ''}{first['ctx']['error']}"
    else:
        message = f"{key} = {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}"
    more = error.error_count() - 1
    return message + (f" (and {more} more)" if more else "")


def _near_keys(loc: tuple[int | str, ...], root: type[BaseModel]) -> str:
    section: type[BaseModel] | None = root
    for part in loc[:-1]:
        if section is None or isinstance(part, int):
            continue
        section = _model_in(section.model_fields[part].annotation) if section else None
    if section is None:
        return ""
    names = sorted(section.model_fields)
    near = difflib.get_close_matches(str(loc[-1]), names, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; valid here: {', '.join(names)}"


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_in(inner)
        if found:
            return found
    return cast("type[BaseModel] | None", None)
