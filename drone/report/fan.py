"""What was decided, drawn: how far it was free in each sector, where it must stop, the command.

In: a `Shot` and its flight. Out: inline SVG, seen from above, ahead is up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from drone.messages import VelocityCommand
from drone.report.flight import Flight
from drone.report.moments import Shot
from drone.report.svg import picture

WIDTH, HEIGHT = 160.0, 120.0
RANGE_M = 3.0
"""What is farther is drawn at the edge."""
_FOOT = 14.0
_PX_PER_M = (HEIGHT - _FOOT - 6) / RANGE_M
_AHEAD_S = 1.5
"""The arrow is as long as the way of so many seconds at the commanded speed."""
_MOVES_MPS, _TURNS_RADPS = 0.005, 0.02


def fan(flight: Flight, shot: Shot) -> str:
    """Return the picture of one decision."""
    decision = shot.decision
    edges = _edges(flight)
    label, estimate = shot.label, shot.estimate
    stereo = label.sectors_m if label is not None and label.valid else ()
    mono = estimate.sectors_m if estimate is not None and estimate.valid else ()
    stop_m = flight.config.pilot.switching.stop_m
    parts = [
        _wedges(edges, stereo),
        _outline(edges, mono),
        _limit(edges, stop_m, "stop"),
        _limit(edges, decision.trust.threshold_m, "threshold"),
        _arrow(decision.command),
        f'<path class="body" d="M{_at(0, 0)}m0 -6l5 11l-5 -3l-5 3z"/>',
    ]
    alt = f"decision: {decision.manoeuvre}; {words_of(decision.command)}"
    return picture(WIDTH, HEIGHT, parts, alt, "fan")


def words_of(command: VelocityCommand) -> str:
    """Return a command in words."""
    if not command.valid:
        return "no command"
    words = []
    if abs(command.forward_mps) >= _MOVES_MPS:
        way = "ahead" if command.forward_mps > 0 else "back"
        words.append(f"{abs(command.forward_mps):.2f} m/s {way}")
    if abs(command.yaw_rate_radps) > _TURNS_RADPS:
        side = "right" if command.yaw_rate_radps > 0 else "left"
        words.append(f"turning {side} at {abs(math.degrees(command.yaw_rate_radps)):.0f}°/s")
    return ", ".join(words) or "standing still"


def _edges(flight: Flight) -> list[float]:
    """Return the bearings between the sectors, rad, left to right."""
    camera = flight.header.calibration.left
    count = flight.config.pilot.corridor_spec.sectors
    return [
        math.atan((camera.width * k / count - 0.5 - camera.cx) / camera.fx)
        for k in range(count + 1)
    ]


def _at(bearing_rad: float, range_m: float) -> str:
    """Return x and y of a place."""
    length = min(range_m, RANGE_M) * _PX_PER_M
    x, y = length * math.sin(bearing_rad), length * math.cos(bearing_rad)
    return f"{WIDTH / 2 + x:.1f} {HEIGHT - _FOOT - y:.1f}"


def _arc(first_rad: float, last_rad: float, range_m: float) -> str:
    """Return a bow from bearing to bearing at one range, without the move to its beginning."""
    radius = min(range_m, RANGE_M) * _PX_PER_M
    start, end = _at(first_rad, range_m), _at(last_rad, range_m)
    return f"{start}A{radius:.1f} {radius:.1f} 0 0 1 {end}"


def _known(
    edges: Sequence[float], ranges_m: Sequence[float]
) -> Iterator[tuple[float, float, float]]:
    """Yield bearings and range of each sector that is known."""
    for first_rad, last_rad, range_m in zip(edges, edges[1:], ranges_m, strict=False):
        if math.isfinite(range_m):
            yield first_rad, last_rad, range_m


def _wedges(edges: Sequence[float], ranges_m: Sequence[float]) -> str:
    """Return what is free in each sector, filled; nothing where that is unknown."""
    d = "".join(f"M{_at(0, 0)}L{_arc(*sector)}z" for sector in _known(edges, ranges_m))
    return f'<path class="wedge m-stereo" d="{d}"/>' if d else ""


def _outline(edges: Sequence[float], ranges_m: Sequence[float]) -> str:
    """Return how far each sector is free, as bows."""
    d = "".join(f"M{_arc(*sector)}" for sector in _known(edges, ranges_m))
    return f'<path class="line thick m-mono" d="{d}"/>' if d else ""


def _limit(edges: Sequence[float], range_m: float, classes: str) -> str:
    """Return one bow over the whole view, nothing if its range is unknown."""
    if not math.isfinite(range_m):
        return ""
    return f'<path class="{classes} bare" d="M{_arc(edges[0], edges[-1], range_m)}"/>'


def _arrow(command: VelocityCommand) -> str:
    """Return the way of the next moments, and a bow to the side where it turns on the spot."""
    if not command.valid:
        return ""
    x, y = WIDTH / 2, HEIGHT - _FOOT
    ahead = command.forward_mps * _AHEAD_S * _PX_PER_M
    parts = []
    if abs(ahead) > 3:
        tip, side = y - ahead, math.copysign(5, ahead)
        parts.append(f"M{x:.1f} {y:.1f}V{tip:.1f}m-4 {side:.1f}l4 {-side:.1f}l4 {side:.1f}")
    if abs(command.yaw_rate_radps) > _TURNS_RADPS:
        way = math.copysign(1, command.yaw_rate_radps)
        sweep = int(way > 0)
        parts.append(
            f"M{x + 6 * way:.1f} {y - 11:.1f}a15 15 0 0 {sweep} {9 * way:.1f} 9"
            f"m{-6 * way:.1f} -2l{6 * way:.1f} 2l{1 * way:.1f} -6"
        )
    return f'<path class="command" d="{"".join(parts)}"/>' if parts else ""
