"""What a vehicle's processes are told, once: a file in their private folder."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drone.config import load_as
from drone.config.onboard import OnboardConfig
from drone.errors import UserError
from drone.geometry import Intrinsics, StereoCalibration
from drone.wholefile import write_whole

NAME = "orders.json"
CONFIG_NAME = "onboard.toml"


@dataclass(frozen=True, slots=True)
class Orders:
    """What all processes of one vehicle go by.

    Attributes:
        config: the whole tree.
        calibration: of the rectified frames.
        epoch_ns: monotonic time that is 0 in every stamp of this flight.
        run: its run folder.
        shadow: see, learn and log, and command nothing.
        rehearse: a recording that is played instead of the camera; None flies by the camera.
        memory: folder from which learning goes on.
        model: an ONNX file that flies from the first frame on; None without one.
        page: host, port and token of the live page; None without it.
    """

    config: OnboardConfig
    calibration: StereoCalibration
    epoch_ns: int
    run: Path
    shadow: bool = False
    rehearse: Path | None = None
    memory: Path | None = None
    model: Path | None = None
    page: tuple[str, int, str] | None = None

    @property
    def clock_ns(self) -> Callable[[], int]:
        """The clock of every stamp."""
        return lambda: time.monotonic_ns() - self.epoch_ns


def write(orders: Orders, folder: Path) -> None:
    """Write the orders where the processes look for them.

    Paths are resolved: a link in them (`current/`) that is turned to another release while this
    flies changes nothing for a process that is started anew.
    """
    paths = {
        name: None if path is None else os.path.realpath(path)
        for name, path in (
            ("run", orders.run),
            ("rehearse", orders.rehearse),
            ("memory", orders.memory),
            ("model", orders.model),
        )
    }
    tree = {
        "calibration": tree_of(orders.calibration),
        "epoch_ns": orders.epoch_ns,
        "shadow": orders.shadow,
        "page": orders.page,
        **paths,
    }
    write_whole(folder / CONFIG_NAME, orders.config.to_toml().encode())
    write_whole(folder / NAME, json.dumps(tree, allow_nan=False).encode())


def read(folder: Path) -> Orders:
    """Read the orders.

    Raises:
        UserError: they are not there, or are no orders.
    """
    path = folder / NAME
    try:
        tree = json.loads(path.read_bytes())
        page = tree["page"]
        return Orders(
            config=load_as(OnboardConfig, folder / CONFIG_NAME),
            calibration=calibration_from(tree["calibration"]),
            epoch_ns=int(tree["epoch_ns"]),
            run=Path(tree["run"]),
            shadow=bool(tree["shadow"]),
            page=None if page is None else (str(page[0]), int(page[1]), str(page[2])),
            **{k: Path(tree[k]) for k in ("rehearse", "memory", "model") if tree[k] is not None},
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: no orders of a vehicle ({type(error).__name__}: {error}); processes are "
            "started by drone onboard"
        ) from error


def tree_of(calibration: StereoCalibration) -> dict[str, Any]:
    """Return a calibration of rectified frames as JSON takes it."""
    return dataclasses.asdict(calibration)


def calibration_from(tree: dict[str, Any]) -> StereoCalibration:
    """Return the calibration of `tree_of`.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    x, y, z = (float(v) for v in tree["left_in_body_m"])
    rotation = tuple(float(v) for v in tree["body_from_left"])
    return StereoCalibration(
        Intrinsics(**tree["left"]), float(tree["baseline_m"]), rotation, (x, y, z)
    )
