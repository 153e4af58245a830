"""Images and depth grids as PNG inside the page.

In: a `Shot`. Out: HTML. Stereo and mono share one colour scale over inverse depth: bright is near.
"""

from __future__ import annotations

import base64
import math
from html import escape

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.messages import FloatGrid, Image
from drone.report.fan import fan, words_of
from drone.report.flight import Flight
from drone.report.moments import Shot
from drone.report.story import NAMES, metres, seconds

NEAR_M, FAR_M = 0.5, 8.0
"""Ends of the colour scale."""
_MOST_PX = 256
"""Larger images are shrunk to this width."""


def colours(inverse_depth: FloatGrid) -> NDArray[np.uint8]:
    """Return (rows, cols, 4) BGRA of a grid, transparent where unknown."""
    known = np.isfinite(inverse_depth)
    low, high = 1 / FAR_M, 1 / NEAR_M
    level = np.clip((np.where(known, inverse_depth, low) - low) / (high - low), 0, 1)
    grey = np.rint(255 * np.sqrt(level)).astype(np.uint8)
    bgr = cv2.applyColorMap(grey, cv2.COLORMAP_VIRIDIS)
    return np.dstack([bgr, np.where(known, 255, 0).astype(np.uint8)])


def png_uri(image: NDArray[np.uint8]) -> str:
    """Return an image, grey or BGR(A), as a data URI."""
    data = cv2.imencode(".png", image)[1].tobytes()
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def card(flight: Flight, shot: Shot) -> str:
    """Return one moment: left image, stereo's grid, mono's grid, decision, and it all in words."""
    mode = shot.decision.mode
    why = shot.moment.why
    title = seconds(shot.moment.t_s) + (f": {why}" if why else "")
    return (
        f'<figure class="shot"><div class="views">'
        f"{_view(shot.left, 'left image', 'no image')}"
        f"{_grid_view(shot.stereo_grid, 'stereo', _no_stereo(shot))}"
        f"{_grid_view(shot.mono_grid, 'mono', 'no network yet')}{fan(flight, shot)}</div>"
        f'<figcaption><b>{escape(title)}</b> <span class="chip m-{mode.value}">'
        f"{NAMES[mode]}</span><br>{escape(_told(shot))}</figcaption></figure>"
    )


def _no_stereo(shot: Shot) -> str:
    reason = shot.label.reason if shot.label is not None else ""
    return f"no label: {reason}" if reason else "no label"


def _told(shot: Shot) -> str:
    decision = shot.decision
    label = shot.label
    words = []
    if label is not None and label.valid:
        words.append(f"stereo {metres(label.obstacle_m)}")
    if shot.estimate is not None and shot.mono_grid is not None:
        stops = decision.trust.threshold_m
        flies = f"cautious {metres(decision.mono_obstacle_m)}"
        limit = f"{flies}, stops below {metres(stops)}" if math.isfinite(stops) else flies
        words.append(f"mono {metres(shot.estimate.obstacle_m)} ({limit})")
    if shot.truth is not None:
        words.append(f"true {metres(shot.truth.obstacle_m)}")
    does = f"{'override, ' if decision.override else ''}{decision.manoeuvre}"
    commanded = f"{does}, {words_of(decision.command)}"
    return f"{', '.join(words) or 'nothing told'} \N{RIGHTWARDS ARROW} {commanded}"


def _view(image: Image | None, name: str, missing: str) -> str:
    if image is None:
        return f'<div class="missing"><span>{escape(missing)}</span></div>'
    return f'<img src="{png_uri(_small(image))}" alt="{escape(name)}">'


def _small(image: Image) -> Image:
    height, width = image.shape
    if width <= _MOST_PX:
        return image
    size = (_MOST_PX, round(height * _MOST_PX / width))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _grid_view(grid: FloatGrid | None, name: str, missing: str) -> str:
    if grid is None or not np.isfinite(grid).any():
        return _view(None, name, missing)
    return f'<img class="cells" src="{png_uri(colours(grid))}" alt="{name}: inverse depth">'


def colour_bar() -> str:
    """Return the scale of the grids."""
    depths_m = np.array([8.0, 4.0, 2.0, 1.0, 0.5])
    ramp = np.linspace(0, 1, 64, dtype=np.float32) ** 2
    low, high = 1 / FAR_M, 1 / NEAR_M
    uri = png_uri(colours((low + ramp * (high - low))[None, :].astype(np.float32)))
    places = 100 * np.sqrt((1 / depths_m - low) / (high - low))
    labels = "".join(
        f'<span style="left:{place:.1f}%">{depth_m:g} m</span>'
        for place, depth_m in zip(places, depths_m, strict=True)
    )
    return f'<div class="bar"><img src="{uri}" alt="colour scale">{labels}</div>'
