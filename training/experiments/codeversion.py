"""Which code made a result: a hash of all that a flight goes through.

Comments, docstrings and layout do not count: they change no result. Nor does what only reads
results. The libraries whose arithmetic a flight rests on do count.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
from collections.abc import Iterable, Iterator
from pathlib import Path

import drone
import training

ENTRIES = ("training.flight", "training.course", "training.teacher", "training.learners")
"""From here on, imports are followed; those inside functions too."""
LIBRARIES = (
    *("numpy", "opencv-python-headless", "onnxruntime", "torch", "pybullet"),
    *("scipy", "scikit-learn"),
)
_ROOTS = {module.__name__: Path(next(iter(module.__path__))) for module in (drone, training)}
_DATA = ("*.npz", "*.json")
"""Beside the code of `training`: weights and dictionaries."""


@functools.cache
def code_version(entries: tuple[str, ...] = ENTRIES) -> str:
    """Return twelve hexadecimal digits."""
    digest = hashlib.sha256()
    for name in sorted(closure(entries)):
        digest.update(f"{name}\n{_bare(_path(name))}\n".encode())
    for pattern in _DATA:
        for file in sorted(_ROOTS["training"].glob(pattern)):
            digest.update(file.name.encode() + file.read_bytes())
    for library in LIBRARIES:
        digest.update(f"{library} {_installed(library)}\n".encode())
    return digest.hexdigest()[:12]


def closure(entries: Iterable[str]) -> set[str]:
    """Return the modules of this project that are reached by imports."""
    found: set[str] = set()
    waiting = list(entries)
    while waiting:
        name = waiting.pop()
        if name not in found and _path(name) is not None:
            found.add(name)
            waiting += _imports(name)
    return found


def _path(name: str) -> Path | None:
    root, _, rest = name.partition(".")
    if root not in _ROOTS:
        return None
    base = _ROOTS[root].joinpath(*rest.split(".")) if rest else _ROOTS[root]
    for file in (base.with_suffix(".py"), base / "__init__.py"):
        if file.is_file():
            return file
    return None


def _imports(name: str) -> Iterator[str]:
    path = _path(name)
    assert path is not None
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _bare(path: Path | None) -> str:
    """Return a module's syntax tree without its docstrings, as text."""
    assert path is not None
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [part for part in body if not _is_text(part)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _installed(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "none"
