"""Is there an eye behind each image? Per-frame verdicts in, eyes declared dead or alive out.

    frame ─► check_frame ─► FrameCheck ─► step ─► HealthState: each eye dead or alive

A frame is judged by itself (missing, black, white) and against its predecessor (frozen: the very
same pixels, which a sensor with noise never delivers twice). Silence counts as missing.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

from drone.clock import ns_from_s
from drone.config import SwitchingConfig
from drone.messages import Eye, FrameCheck, HealthEvent, Image, StereoFrame

DARK_LEVEL = 8.0
"""Mean grey level below which a flat image is black."""
BRIGHT_LEVEL = 247.0
"""Mean grey level above which a flat image is white."""
FLAT_DEVIATION = 2.5
"""Standard deviation, grey levels, below which an image is flat. A flat grey image is no fault:
a plain wall looks like that."""


def check_frame(frame: StereoFrame) -> FrameCheck:
    """Return what the images of one frame say by themselves."""
    return FrameCheck(
        seq=frame.seq,
        stamp_ns=frame.stamp_ns,
        valid=frame.valid,
        left=_verdict(frame.left),
        right=_verdict(frame.right),
        left_crc=_crc(frame.left),
        right_crc=_crc(frame.right),
    )


def _verdict(image: Image | None) -> str:
    if image is None or image.size == 0:
        return "missing"
    if image.std() > FLAT_DEVIATION:
        return ""
    level = float(image.mean())
    return "black" if level < DARK_LEVEL else "white" if level > BRIGHT_LEVEL else ""


def _crc(image: Image | None) -> int:
    return 0 if image is None else zlib.crc32(image.tobytes())


@dataclass(frozen=True, slots=True)
class EyeState:
    """One eye over time.

    Attributes:
        dead: believed gone.
        verdict: what is wrong now; empty is well.
        since_ns: since when the eye has been well, or not well.
        crc: of the latest image.
        reported: what the camera driver says is wrong; empty is well.
    """

    dead: bool = False
    verdict: str = ""
    since_ns: int = 0
    crc: int = 0
    reported: str = ""

    @property
    def sees(self) -> bool:
        """It is believed, and nothing is wrong with its latest image."""
        return not (self.dead or self.verdict)


@dataclass(frozen=True, slots=True)
class HealthState:
    """Both eyes, and when a frame last came (-1: the clock has not started)."""

    left: EyeState = EyeState()
    right: EyeState = EyeState()
    frame_ns: int = -1

    @property
    def stereo_ok(self) -> bool:
        """Both eyes are believed."""
        return not (self.left.dead or self.right.dead)

    @property
    def stereo_sees(self) -> bool:
        """Both eyes see: what stereo says of the latest frame is a distance, and may teach."""
        return self.left.sees and self.right.sees

    def sees(self, eye: Eye) -> bool:
        """Return whether this eye sees; the pair if both do."""
        return {Eye.LEFT: self.left.sees, Eye.RIGHT: self.right.sees}.get(eye, self.stereo_sees)

    @property
    def reason(self) -> str:
        """Which eye is dead and why, or empty."""
        dead = [
            f"{name} eye {eye.verdict or 'recovering'}"
            for name, eye in (("left", self.left), ("right", self.right))
            if eye.dead
        ]
        return ", ".join(dead)


def step(
    state: HealthState,
    now_ns: int,
    check: FrameCheck | None,
    events: tuple[HealthEvent, ...],
    config: SwitchingConfig,
) -> HealthState:
    """Return the state after one tick.

    Args:
        state: before.
        now_ns: of the tick.
        check: of this tick's frame, None without one.
        events: of the camera driver; what it reports holds until it reports the opposite.
        config: hysteresis times.
    """
    left = _report(state.left, events, Eye.LEFT)
    right = _report(state.right, events, Eye.RIGHT)
    if check is not None:
        return HealthState(
            _judge(left, check.left, check.left_crc, now_ns, config),
            _judge(right, check.right, check.right_crc, now_ns, config),
            now_ns,
        )
    frame_ns = now_ns if state.frame_ns < 0 else state.frame_ns
    if now_ns - frame_ns > ns_from_s(config.stale_s):
        left = _judge(left, "missing", 0, now_ns, config)
        right = _judge(right, "missing", 0, now_ns, config)
    return HealthState(left, right, frame_ns)


def _report(eye: EyeState, events: tuple[HealthEvent, ...], which: Eye) -> EyeState:
    for event in events:
        if event.eye in (which, Eye.PAIR):
            eye = replace(eye, reported=event.kind if event.active else "")
    return eye


def _judge(eye: EyeState, found: str, crc: int, now_ns: int, config: SwitchingConfig) -> EyeState:
    frozen = "frozen" if crc == eye.crc and crc != 0 else ""
    verdict = found or eye.reported or frozen
    since_ns = eye.since_ns if bool(verdict) == bool(eye.verdict) else now_ns
    lasted_ns = now_ns - since_ns
    dead = eye.dead
    if verdict and lasted_ns >= ns_from_s(config.stereo_lost_s):
        dead = True
    elif not verdict and lasted_ns >= ns_from_s(config.stereo_back_s):
        dead = False
    return EyeState(dead, verdict, since_ns, crc, eye.reported)
