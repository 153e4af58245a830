"""Which code made a result: a hash of all that an experiment's tasks go through.

    run ─► what it reaches in its own module ─► the modules imported there, and by those, whole

Comments, docstrings and layout do not count: they change no result. Nor does what only reads
results: an analysis may stand beside `run`, and be changed without running anything again. The
libraries whose arithmetic a flight rests on do count.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import drone
import training

LIBRARIES = (
    *("numpy", "opencv-python-headless", "onnxruntime", "torch", "pybullet"),
    *("scipy", "scikit-learn"),
)
_PROJECT = Path(next(iter(drone.__path__))).parent, Path(next(iter(training.__path__))).parent
_DATA = ("*.npz", "*.json")
"""Beside the code of `training`: weights and dictionaries."""


@functools.cache
def code_version(run: Callable[..., Any]) -> str:
    """Return twelve hexadecimal digits.

    Args:
        run: what does an experiment's tasks; a function of some module, or a `partial` of one.
    """
    digest = hashlib.sha256()
    for name, text in sorted(counted(run).items()):
        digest.update(f"{name}\n{text}\n".encode())
    for pattern in _DATA:
        for file in sorted(Path(next(iter(training.__path__))).glob(pattern)):
            digest.update(file.name.encode() + file.read_bytes())
    for library in LIBRARIES:
        digest.update(f"{library} {_installed(library)}\n".encode())
    return digest.hexdigest()[:12]


def counted(run: Callable[..., Any]) -> dict[str, str]:
    """Return what a function rests on: module -> its code, without what does not count."""
    found: dict[str, str] = {}
    waiting: list[str] = []
    for function in _functions(run):
        own, name = function.__module__, getattr(function, "__name__", "")
        needed = reached(_tree(Path(str(sys.modules[own].__file__))), name)
        found[f"{own}:{name}"] = _text(needed)
        waiting += _imports(needed)
    folders = [*_PROJECT, *_own_folders(run)]
    while waiting:
        name = waiting.pop()
        path = _path(name, folders)
        if name not in found and path is not None:
            found[name], imports = _whole(path, path.stat().st_mtime_ns)
            waiting += imports
    return found


def reached(tree: ast.Module, name: str) -> list[ast.stmt]:
    """Return the statements of a module that a name rests on, in their order.

    All of them, if the module does not define the name in a way that can be seen.
    """
    binds: dict[str, list[ast.stmt]] = {}
    for statement in _single_imports(tree.body):
        for bound in _bound(statement):
            binds.setdefault(bound, []).append(statement)
    if name not in binds:
        return tree.body
    found: dict[ast.stmt, None] = {}
    waiting = list(binds[name])
    while waiting:
        statement = waiting.pop()
        if statement not in found:
            found[statement] = None
            used = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name)}
            waiting += [other for name in sorted(used) for other in binds.get(name, ())]
    return sorted(found, key=lambda s: (s.lineno, ast.dump(s)))


@functools.cache
def _whole(path: Path, changed_ns: int) -> tuple[str, tuple[str, ...]]:
    """Return a module's code, and what it imports; several experiments rest on most of them."""
    tree = _tree(path)
    return _text(tree.body), tuple(_imports(tree.body))


def _functions(run: Callable[..., Any]) -> Iterator[Any]:
    """Yield what is run, and the functions that it is given."""
    if isinstance(run, functools.partial):
        for part in (run.func, *run.args, *run.keywords.values()):
            if callable(part):
                yield from _functions(part)
    else:
        yield run


def _own_folders(run: Callable[..., Any]) -> Iterator[Path]:
    """Yield where modules of who brings his own experiment lie; not where libraries do."""
    libraries = {Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib", "stdlib")}
    for function in _functions(run):
        top = sys.modules[function.__module__.partition(".")[0]]
        place = Path(str(top.__file__)) if top.__file__ else Path(next(iter(top.__path__))) / "_"
        folder = place.parent.parent if hasattr(top, "__path__") else place.parent
        if folder not in libraries:
            yield folder


def _path(name: str, folders: Iterable[Path]) -> Path | None:
    """Return a module's file, if it is of the project or of who brings his own experiment."""
    for folder in folders:
        base = folder.joinpath(*name.split("."))
        for file in (base.with_suffix(".py"), base / "__init__.py"):
            if file.is_file():
                return file
    return None


def _imports(statements: Iterable[ast.stmt]) -> Iterator[str]:
    """Yield what is imported, inside functions too; of `from a import b` both `a` and `a.b`."""
    for node in (node for statement in statements for node in ast.walk(statement)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _single_imports(statements: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements, those that import several names as one each."""
    for statement in statements:
        if isinstance(statement, ast.ImportFrom):
            for alias in statement.names:
                single = ast.ImportFrom(statement.module, [alias], statement.level)
                yield ast.copy_location(single, statement)
        else:
            yield statement


def _bound(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement at the top of a module gives a value; not those within."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((a.asname or a.name).partition(".")[0] for a in node.names)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
            continue  # what it binds is its own
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        waiting += ast.iter_child_nodes(node)


def _tree(path: Path) -> ast.Module:
    """Return a module's syntax tree without its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [part for part in body if not _is_text(part)]  # type: ignore[attr-defined]
    return tree


def _text(statements: Iterable[ast.stmt]) -> str:
    return "\n".join(ast.dump(statement) for statement in statements)


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
