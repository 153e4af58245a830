"""Files of keys and values: YAML with the habits of OpenCV and ROS, OpenCV's XML, TOML.

In: a path. Out: a `KeyedFile`, whose every complaint names the file and the key. YAML may have a
first line `%YAML:1.0`, matrices with the tag `!!opencv-matrix`, and numbers such as `1e-05`.
"""

from __future__ import annotations

import codecs
import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import yaml

from drone.errors import UserError
from drone.geometry import Matrix


@dataclass(frozen=True, slots=True)
class KeyedFile:
    """The keys and values of one file, or of one of its sections.

    Attributes:
        path: where they come from.
        values: as parsed.
        section: what stands before a key in a complaint, such as `cam0.`.
    """

    path: Path
    values: dict[Any, Any]
    section: str = ""

    def __contains__(self, key: str) -> bool:
        """Return whether the file has a key."""
        return key in self.values

    def value(self, key: str) -> Any:
        """Return what a key holds.

        Raises:
            UserError: the key is missing.
        """
        if key not in self.values:
            raise UserError(f"{self.path}: the key {self.section + key!r} is missing")
        return self.values[key]

    def inside(self, key: str) -> KeyedFile:
        """Return the section of a key.

        Raises:
            UserError: the key is missing or holds no section.
        """
        found = self.value(key)
        if not isinstance(found, dict):
            raise UserError(f"{self.path}: {self.section}{key} must hold keys and values")
        return KeyedFile(self.path, found, f"{self.section}{key}.")

    def expect(self, key: str, *supported: str) -> str:
        """Return a word that must be one of the supported ones.

        Raises:
            UserError: the key is missing or holds something else.
        """
        found = self.value(key)
        if found not in supported:
            right = " or ".join(repr(word) for word in supported)
            raise UserError(
                f"{self.path}: {self.section}{key} {found!r} is not supported; supported is {right}"
            )
        return str(found)

    def numbers(self, key: str, *counts: int) -> tuple[float, ...]:
        """Return the finite numbers of a list, a nested list or an OpenCV matrix, row by row.

        Args:
            key: where they are.
            counts: how many there may be.

        Raises:
            UserError: the key is missing, or something else is found.
        """
        found = self.value(key)
        try:
            numbers = _flat(found.get("data") if isinstance(found, dict) else found)
        except (TypeError, ValueError, OverflowError):
            numbers = ()
        if len(numbers) not in counts or not all(math.isfinite(n) for n in numbers):
            expected = " or ".join(str(n) for n in counts)
            raise UserError(
                f"{self.path}: {self.section}{key} must be a list of {expected} finite numbers, "
                f"not {found!r}"
            )
        return numbers

    def matrix(self, key: str, rows: int, cols: int) -> Matrix:
        """Return a (rows, cols) matrix; raises as `numbers`."""
        return np.array(self.numbers(key, rows * cols)).reshape(rows, cols)

    def whole(self, key: str) -> int:
        """Return a whole number.

        Raises:
            UserError: the key is missing or holds something else.
        """
        found = self.value(key)
        if isinstance(found, bool) or not isinstance(found, int):
            raise UserError(
                f"{self.path}: {self.section}{key} must be a whole number, not {found!r}"
            )
        return found


_NO_VALUES = (ValueError, LookupError, AttributeError)
"""What PyYAML raises for dates that there are not, such as 2026-28-11, and for tags that lie."""


class _Loader(yaml.SafeLoader):
    """YAML as OpenCV writes it: matrices carry the tag `!!opencv-matrix`."""


def _matrix_node(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:opencv-matrix", _matrix_node)


def read_keyed(path: Path) -> KeyedFile:
    """Return the keys and values of a file; its suffix (.toml, .xml, else YAML) tells the syntax.

    Raises:
        UserError: no such file, not readable, or not of that syntax.
    """
    text = read_text(path)
    if path.suffix.lower() == ".toml":
        return parse_toml(path, text)
    if path.suffix.lower() == ".xml":
        return parse_xml(path, text)
    return parse_yaml(path, text)


def read_text(path: Path, why: str = "") -> str:
    """Return a text file's contents: UTF-8, or UTF-16 with its mark, as PowerShell writes it.

    Args:
        path: the file.
        why: what follows "no such file" in the complaint.

    Raises:
        UserError: no such file, or no such text.
    """
    try:
        with path.open("rb") as file:
            wide = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        return path.read_text(encoding="utf-16" if wide else "utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file{why}") from None
    except (OSError, UnicodeError) as error:
        raise UserError(f"{path}: cannot be read as UTF-8 text ({error})") from error


def parse_yaml(path: Path, text: str) -> KeyedFile:
    """Return what a YAML text holds.

    Raises:
        UserError: not YAML, or no keys and values.
    """
    lines = text.splitlines()
    plain = "\n".join("" if line.startswith("%") else line for line in lines)
    try:
        found = yaml.load(plain, _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or "unreadable characters"
        raise UserError(f"{where}: not YAML ({problem})") from error
    except _NO_VALUES as error:
        raise UserError(f"{path}: a value is not of the kind it seems to be ({error})") from error
    if not isinstance(found, dict):
        raise UserError(f"{path}: holds no keys and values")
    return KeyedFile(path, found)


def parse_toml(path: Path, text: str) -> KeyedFile:
    """Return what a TOML text holds.

    Raises:
        UserError: not TOML.
    """
    try:
        return KeyedFile(path, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: not valid TOML ({error})") from error


def parse_xml(path: Path, text: str) -> KeyedFile:
    """Return what an XML text of OpenCV's FileStorage holds: matrices, sizes, numbers, words.

    Raises:
        UserError: not XML, or not of OpenCV.
    """
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise UserError(f"{path}: not XML ({error})") from error
    if root.tag != "opencv_storage":
        raise UserError(f"{path}: its root is <{root.tag}>; right is OpenCV's <opencv_storage>")
    return KeyedFile(path, {node.tag: _xml_value(node) for node in root})


def _xml_value(node: ElementTree.Element) -> Any:
    if len(node):
        return {child.tag: _xml_value(child) for child in node}
    words = (node.text or "").split()
    values = [_number_or_word(word) for word in words]
    return values[0] if len(values) == 1 and node.tag != "data" else values


def _number_or_word(word: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def _flat(found: Any) -> tuple[float, ...]:
    numbers: list[float] = []
    for item in found:
        # YAML 1.1 takes 1e-05 for text.
        numbers += _flat(item) if isinstance(item, (list, tuple)) else [float(item)]
    return tuple(numbers)
