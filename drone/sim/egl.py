"""PyBullet's EGL renderer, which draws on the GPU: when to take it, and how to start it.

In: what the configuration chose. Out: whether EGL draws, or one line why it cannot. The plugin
talks on the standard output from C: in a process of its own that names the driver, here it is
silenced.
"""

from __future__ import annotations

import ctypes
import importlib.util
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pybullet

from drone.errors import UserError, WorkFailedError
from drone.messages import Vector3
from drone.sim.canvas import Rgb
from drone.sim.scene import Quad

_SOFTWARE = ("llvmpipe", "softpipe", "swrast", "swiftshader", "software")
"""Drivers that draw on the processor, slower than TinyRenderer."""
_PROBE_S = 30.0
_FAR_M = 1000.0
_GAP_MIDDLE = (0.675 + 0.75) / 2
_GPU_FILES = ("nvidiactl", "dri/renderD*")


def gpu_present(devices: Path = Path("/dev")) -> bool:
    """Return whether this machine shows a GPU that programs may draw on."""
    return any(any(devices.glob(pattern)) for pattern in _GPU_FILES)


def is_software(driver: str) -> bool:
    """Return whether a driver's name is that of a renderer on the processor."""
    return any(name in driver.lower() for name in _SOFTWARE)


@cache
def driver() -> str | None:
    """Return the name of the driver that EGL would draw with; None where EGL does not start.

    Asked in a process of its own, once: PyBullet's plugin ends the process where EGL fails.
    """
    if importlib.util.find_spec("eglRenderer") is None:
        return None
    probe = f"from {__name__} import load; import pybullet; load(pybullet.connect(pybullet.DIRECT))"
    try:
        answer = subprocess.run(
            [sys.executable, "-c", probe],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PROBE_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    named = re.search(r"GL_RENDERER\s*=\s*(.+)", answer.stdout)
    return named[1].strip() if named else None


def chosen(choice: str) -> bool:
    """Return whether EGL shall draw.

    Args:
        choice: `egl` takes any driver; `auto` only a GPU's; `tiny` none.

    Raises:
        UserError: `egl` is asked for and does not start.
    """
    if choice == "tiny" or (choice == "auto" and not gpu_present()):
        return False
    name = driver()
    if name is None and choice == "egl":
        raise UserError(
            "sim.renderer = 'egl': EGL does not start here; it needs PyBullet's eglRenderer plugin "
            "and a driver with libEGL. 'tiny' draws without them, 'auto' chooses by itself"
        )
    return name is not None and (choice == "egl" or not is_software(name))


def load(client: int) -> None:
    """Let EGL draw for a physics client, before anything is built in it.

    Raises:
        WorkFailedError: the plugin does not load.
    """
    spec = importlib.util.find_spec("eglRenderer")
    plugin = -1
    if spec is not None and spec.origin is not None:
        plugin = pybullet.loadPlugin(spec.origin, "_eglRendererPlugin", physicsClientId=client)
    if plugin < 0:
        raise WorkFailedError("PyBullet's EGL plugin does not load")


@contextmanager
def silenced() -> Iterator[None]:
    """Keep what C code writes to the standard output away from it."""
    c_library = ctypes.CDLL(None)
    sys.stdout.flush()
    c_library.fflush(None)
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        c_library.fflush(None)
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def far_light(light: Vector3) -> Vector3:
    """Return the light's direction as EGL wants it.

    It takes it for a place, and casts shadows of what stands near it, asked to or not; so far away
    it casts none.
    """
    x, y, z = (float(a) for a in _FAR_M * np.array(light) / np.linalg.norm(light))
    return x, y, z


def shading_normal(share: float, light: Vector3) -> Vector3:
    """Return a normal that makes EGL light a face with a share of the full light.

    Measured of PyBullet's shader (and held by `tests/sim/test_egl.py`), which lights by the cosine
    c between normal and light, whatever coefficients it is given: 3/4 + c/4 towards the light, and
    away from it, as if in shadow, 0.5 + 0.175 (1 + c). Shares between 0.675 and 0.75 do not occur:
    the nearer of the two stands for them.

    Args:
        share: at least 0.5; 1 is the texture as it is.
        light: toward the light.
    """
    if share > _GAP_MIDDLE:
        cosine = min(max(4 * share - 3, 0.01), 1.0)
    else:
        cosine = min(max((share - 0.5) / 0.175 - 1, -1.0), -0.01)
    toward = np.array(light) / np.linalg.norm(light)
    aside = np.cross(toward, np.eye(3)[np.argmin(np.abs(toward))])
    aside /= np.linalg.norm(aside)
    x, y, z = cosine * toward + math.sqrt(1 - cosine**2) * aside
    return float(x), float(y), float(z)


def texture(picture: Rgb, factor: float) -> Rgb:
    """Return a texture made ready for EGL: brighter by a factor, of a width that OpenGL takes.

    OpenGL reads rows in units of four bytes: PyBullet hands it others sheared.
    """
    bright = cv2.convertScaleAbs(picture, alpha=factor)
    height, width = picture.shape[:2]
    if width % 4:
        bright = cv2.resize(bright, (width + 4 - width % 4, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(bright, np.uint8)


def mesh(client: int, file: Path, quads: Sequence[Quad], normals: Sequence[Vector3]) -> int:
    """Return a visual shape of quads; EGL knows meshes from files only.

    Args:
        client: PyBullet's physicsClientId.
        file: where to write the mesh (Wavefront OBJ); it must last until the body is made.
        quads: the faces.
        normals: one for each.
    """
    lines: list[str] = []
    for number, (quad, normal) in enumerate(zip(quads, normals, strict=True)):
        corners = (
            (quad.left, 0.0),
            (quad.right, 0.0),
            (quad.right, quad.top),
            (quad.left, quad.top),
        )
        lines += ["v {:.9f} {:.9f} {:.9f}".format(*corner) for corner in quad.corners]
        lines += ["vt {:.9f} {:.9f}".format(*corner) for corner in corners]
        lines.append("vn {:.9f} {:.9f} {:.9f}".format(*normal))
        a, b, c, d = (f"{4 * number + k}/{4 * number + k}/{number + 1}" for k in (1, 2, 3, 4))
        lines += [f"f {a} {b} {c}", f"f {a} {c} {d}"]
    file.write_text("\n".join(lines) + "\n")
    return int(
        pybullet.createVisualShape(
            pybullet.GEOM_MESH,
            fileName=str(file),
            rgbaColor=(1.0, 1.0, 1.0, 1.0),
            specularColor=(0.0, 0.0, 0.0),
            physicsClientId=client,
        )
    )
