"""The model: does it load, does it fit the camera, and is it fast enough on this machine?"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from drone.doctor.finding import Finding, fail, graded, ok, upper
from drone.errors import UserError
from drone.geometry import GridSpec
from drone.onboard.mono import MonoNetwork, MonoSpec, model_from_bytes, session_from_onnx

GROUP = "model"
_RUNS = 60
_SHARE_OK, _SHARE_FLIES = 0.25, 0.8
"""Of the time from frame to frame."""
_FIX = "export one that was learned with this camera and configuration (drone export)"


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A model, tried out.

    Attributes:
        problem: why it cannot fly, empty if it can.
        version: of it.
        median_s: that it takes for one image.
        p99_s: that it takes at the slowest, but for one in a hundred.
        finite: what it answers is a number.
    """

    problem: str
    version: int = 0
    median_s: float = float("nan")
    p99_s: float = float("nan")
    finite: bool = True


def spec_of_file(path: Path) -> MonoSpec | UserError:
    """Return what a model says that it was made for, or what is wrong with it."""
    try:
        said = session_from_onnx(path.read_bytes()).get_modelmeta().custom_metadata_map
        width, height = (int(word) for word in said["input"].split("x"))
        grid = GridSpec(*(int(word) for word in said["grid"].split("x")))
        return MonoSpec(width, height, grid, said["calibration"])
    except UserError as error:
        return error
    except OSError as error:
        return UserError(f"{path}: cannot be read: {error.strerror}")
    except (KeyError, ValueError, TypeError):
        return UserError(f"{path}: no model of this stack: it does not say what it was made for")


def facts_of(path: Path, spec: MonoSpec) -> ModelFacts:
    """Load a model and run it on noise."""
    try:
        model = model_from_bytes(path.read_bytes(), path.name)
        network = MonoNetwork(model, spec)
    except UserError as error:
        return ModelFacts(str(error))
    except OSError as error:
        return ModelFacts(f"{path}: cannot be read: {error.strerror}")
    size = (spec.height_px, spec.width_px)
    image = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    finite, times = True, []
    for _ in range(_RUNS):
        started_s = time.perf_counter()
        finite &= network.estimate(image).finite
        times.append(time.perf_counter() - started_s)
    warm = times[_RUNS // 6 :]
    return ModelFacts(
        "", model.seq, statistics.median(warm), statistics.quantiles(warm, n=100)[98], finite
    )


def check(facts: ModelFacts, rate_hz: float) -> list[Finding]:
    """Return what came of it.

    Args:
        facts: of the model.
        rate_hz: of the camera.
    """
    if facts.problem:
        return [fail(f"{GROUP}.loads", facts.problem, _FIX)]
    if not facts.finite:
        return [fail(f"{GROUP}.loads", "it answers what is no number", _FIX)]
    return [
        ok(f"{GROUP}.loads", f"version {facts.version} fits camera and configuration"),
        graded(
            f"{GROUP}.speed",
            upper(facts.p99_s * rate_hz, _SHARE_OK, _SHARE_FLIES),
            f"{1000 * facts.median_s:.1f} ms an image, 99 of 100 within {1000 * facts.p99_s:.1f} "
            f"ms; a frame comes every {1000 / rate_hz:.0f} ms",
            "give the pilot a core of its own (processes.pilot.cores), cool the processor, or "
            "drone export --int8",
        ),
    ]
