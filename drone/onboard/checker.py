"""Watches a pair of eyes frame by frame: images in, a `FrameCheck` with verdicts out.

    frame ─┬─► each eye alone: missing, black, white, frozen, torn ──────────────► FrameCheck
           └─► both: over-exposed, covered, blurred; rows: swapped, turned, late ─► confirmed? ─┘

State: what it needs of the frames before (the previous images, fading sums of evidence, how often
each fault showed of late). It follows from the frames since the first, so that a replay from the
start of a log says the same again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from drone.clock import ns_from_s
from drone.config import HealthConfig
from drone.geometry import StereoCalibration
from drone.messages import FrameCheck, Image, StereoFrame, VehicleState
from drone.onboard import imagechecks, pairchecks
from drone.onboard.blockwatch import BlockVerdict, BlockWatch
from drone.onboard.pairchecks import Finding, Matches, Motion, RowErrors

LEFT, RIGHT, PAIR = "left", "right", "pair"
FOREIGN = "of another size"
TORN, DELAYED = "torn", "delayed"
SWAPPED, TURNED, OUT_OF_SYNC = "swapped", "lost calibration", "out of sync"
DISAGREE = "eyes disagree"
_REPEATED_SHARE = 0.08
"""Share of rows that came before from which an image is torn."""
_GAP_S = 0.5
"""After a longer gap, or a stamp that runs backwards, the frames before say nothing."""
_REACH = 2
"""Blocks by which a thing may be displaced between the eyes."""
_SIDE = 0.2
"""Share of the image, at the outer side of each eye, that the other may not see."""
_BASELINE_RATE = 0.3
"""Share of the newest frame in the remembered brightness of the blocks."""
Details = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Fine detail of the left and the right image."""
Verdicts = dict[str, str]
"""What shows in this frame: `left`, `right`, `pair` -> kind, or empty."""
NOTHING: Verdicts = {LEFT: "", RIGHT: "", PAIR: ""}


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """What was measured of a pair; NaN where nothing could be."""

    detail_ratio: float = math.nan
    strange_share: float = math.nan
    turn_rad: float = math.nan
    skew_s: float = math.nan
    matches: int = 0


class PairChecker:
    """Checks the frames of one camera, in their order."""

    def __init__(self, config: HealthConfig, calibration: StereoCalibration) -> None:
        self._config = config
        self._calibration = calibration
        self._shape = (calibration.left.height, calibration.left.width)
        self._frames = 0
        self._start_anew()

    def _start_anew(self) -> None:
        """Forget the frames before."""
        self._before = FrameCheck(-1, 0, False, "", "", 0, 0)
        self._images: dict[str, Image] = {}
        self._levels: dict[str, NDArray[np.float32]] = {}
        self._motion: Motion | None = None
        self._rows: tuple[RowErrors, ...] = ()
        self._blocks = BlockWatch(self._config, self._calibration.left)
        self._shown: tuple[Verdicts, ...] = ()
        self._held = NOTHING
        self._alert = False

    def check(self, frame: StereoFrame, vehicle: VehicleState | None) -> FrameCheck:
        """Return what a frame says about the eyes; to be called once with every frame, in order."""
        if not 0 < frame.stamp_ns - self._before.stamp_ns <= ns_from_s(_GAP_S):
            self._start_anew()
        check = check_frame(frame, self._shape)
        alone = self._alone(check, frame)
        figures = Figures()
        if frame.left is None or frame.right is None or any(alone.values()):
            self._rows = self._rows[: pairchecks.FRAMES - 2]
            self._blocks.miss()
            self._confirm(NOTHING)
        elif self._due():
            figures, shows = self._together((frame.left, frame.right), frame.stamp_ns, vehicle)
            self._confirm(shows)
        held = self._held
        check = replace(
            check,
            left=alone[LEFT] or held[LEFT],
            right=alone[RIGHT] or held[RIGHT],
            pair=held[PAIR],
            matches=figures.matches,
            detail_ratio=figures.detail_ratio,
            strange_share=figures.strange_share,
            turn_deg=math.degrees(figures.turn_rad),
            skew_s=figures.skew_s,
        )
        self._before = check
        return check

    def _due(self) -> bool:
        """Return whether the eyes are compared in this frame: now and then, at any sign always."""
        self._frames += 1
        suspicious = self._alert or any(any(past.values()) for past in self._shown[-1:])
        return suspicious or self._frames % self._config.compare_every == 0

    def _alone(self, check: FrameCheck, frame: StereoFrame) -> Verdicts:
        """Return what is plain from each eye's own images."""
        result = {}
        eyes = (
            (LEFT, frame.left, check.left, check.left_crc, self._before.left_crc),
            (RIGHT, frame.right, check.right, check.right_crc, self._before.right_crc),
        )
        for eye, image, verdict, now, before in eyes:
            if not verdict and image is not None:
                verdict = "frozen" if now == before else self._torn(eye, image)
                self._images[eye] = image
            result[eye] = verdict
        return result

    def _torn(self, eye: str, image: Image) -> str:
        previous = self._images.get(eye)
        if previous is None:
            return ""
        return TORN if imagechecks.repeated_share(image, previous) > _REPEATED_SHARE else ""

    def _together(
        self, images: tuple[Image, Image], stamp_ns: int, vehicle: VehicleState | None
    ) -> tuple[Figures, Verdicts]:
        """Return what both eyes say of each other."""
        left, right = (imagechecks.reduced(image) for image in images)
        details = imagechecks.fine_detail(left), imagechecks.fine_detail(right)
        matches = pairchecks.find_matches(left, right, details[0] > self._config.min_detail)
        eyes, figures = self._eyes((left, right), details, matches)
        motion = self._mean_motion(vehicle)
        if any(eyes.values()):
            self._blocks.miss()
            return figures, eyes
        camera = self._calibration.left.scaled(left.shape[1], left.shape[0])
        rows = pairchecks.row_errors(matches, motion, camera, self._calibration.baseline_m)
        self._rows = (rows, *self._rows[: pairchecks.FRAMES - 1])
        verdicts, turn_rad, skew_s = self._pair(
            matches, motion, self._config.row_error_px / camera.fy
        )
        turns = motion is not None and motion.turns
        seen = self._blocks.see((left, right), stamp_ns, turns)
        self._alert = seen.alert
        if not any(verdicts.values()):
            verdicts = {**NOTHING, PAIR: _by_blocks(seen, turns)}
            turn_rad = seen.turn_rad if verdicts[PAIR] == TURNED else turn_rad
        return replace(figures, turn_rad=turn_rad, skew_s=skew_s), verdicts

    def _mean_motion(self, vehicle: VehicleState | None) -> Motion | None:
        """Return the motion of the last while: a late eye saw what was then."""
        before, now = self._motion, pairchecks.motion_of(vehicle, self._calibration)
        self._motion = now
        if now is None or before is None:
            return now
        return Motion((before.turning + now.turning) / 2, (before.moving + now.moving) / 2)

    def _eyes(
        self, images: tuple[Image, Image], details: Details, matches: Matches
    ) -> tuple[Verdicts, Figures]:
        """Return which eye is over-exposed, covered or blurred beside the other."""
        enough = len(matches.left_px) >= self._config.min_matches
        levels = imagechecks.block_levels(images[0]), imagechecks.block_levels(images[1])
        ratio = self._detail_ratio(details, matches if enough else None)
        strange = _strange(levels, self._config)
        figures = Figures(math.exp(ratio), float(strange.mean()), matches=len(matches.left_px))
        verdicts = {**NOTHING, **self._exposed(*images)}
        if any(verdicts.values()):
            return verdicts, figures
        if figures.strange_share > self._config.cover_share:
            eye = self._covered_eye(strange, levels, details)
            return {**verdicts, eye: "covered"}, figures
        for eye, now in zip((LEFT, RIGHT), levels, strict=True):
            before = self._levels.get(eye, now)
            self._levels[eye] = before + np.float32(_BASELINE_RATE) * (now - before)
        whole = self._whole_detail_ratio(details)
        if abs(ratio) > -math.log(self._config.blur_ratio):
            verdicts[RIGHT if ratio < 0 else LEFT] = "blurred"
        elif abs(whole) > -math.log(self._config.whole_blur_ratio):
            verdicts[RIGHT if whole < 0 else LEFT] = "blurred"
        return verdicts, figures

    def _exposed(self, left: Image, right: Image) -> Verdicts:
        shares = {
            LEFT: imagechecks.saturated_share(left),
            RIGHT: imagechecks.saturated_share(right),
        }
        most = self._config.saturated_share
        alone = {LEFT: shares[LEFT] - shares[RIGHT], RIGHT: shares[RIGHT] - shares[LEFT]}
        return {
            eye: "over-exposed" if share > most or alone[eye] > most / 2 else ""
            for eye, share in shares.items()
        }

    def _detail_ratio(self, details: Details, matches: Matches | None) -> float:
        """Return the log of the right eye's detail over the left's, at the same places."""
        floor = self._config.min_detail
        if matches is None:
            left, right = details
        else:
            left = imagechecks.at(details[0], matches.left_px)
            right = imagechecks.at(details[1], matches.right_px)
        return float(np.median(np.log((right + floor) / (left + floor))))

    def _whole_detail_ratio(self, details: Details) -> float:
        """Return the log of the right eye's mean detail over the left's, the more cautious of two.

        A near thing at the side is seen by one eye alone; without the sides a far one would be.
        """
        left, right = details
        side = round(_SIDE * left.shape[1])
        ratios = [
            math.log((b.mean() + self._config.min_detail) / (a.mean() + self._config.min_detail))
            for a, b in ((left, right), (left[:, side:], right[:, :-side]))
        ]
        return min(ratios, key=abs) if ratios[0] * ratios[1] > 0 else 0.0

    def _covered_eye(
        self,
        strange: NDArray[np.bool_],
        levels: tuple[NDArray[np.float32], NDArray[np.float32]],
        details: Details,
    ) -> str:
        """Return the eye whose strange blocks changed more of late, and hold less detail."""
        changed, detail = [], []
        for eye, now, fine in zip((LEFT, RIGHT), levels, details, strict=True):
            before = self._levels.get(eye, now)
            changed.append(float(np.abs(now - before)[strange].mean()))
            blocks = cv2.resize(fine, imagechecks.BLOCKS, interpolation=cv2.INTER_AREA)
            detail.append(float(np.asarray(blocks)[strange].mean()) + self._config.min_detail)
        toward_right = (changed[1] - changed[0]) / self._config.cover_levels
        toward_right += math.log(detail[0] / detail[1])
        return RIGHT if toward_right > 0 else LEFT

    def _pair(
        self, matches: Matches, motion: Motion | None, error: float
    ) -> tuple[Verdicts, float, float]:
        """Return what is wrong between the eyes, the turn (rad) and the skew (s) behind it."""
        c = self._config
        moves = motion is not None and motion.fast
        if len(matches.left_px) < c.min_matches:
            lost = matches.found_share < c.min_found_share and matches.sought >= c.full_matches
            kind = (OUT_OF_SYNC if moves else DISAGREE) if lost else ""
            return {**NOTHING, PAIR: kind}, math.nan, math.nan
        kind, found = self._explained(error)
        if not kind and self._astray(error):
            kind = OUT_OF_SYNC if moves else TURNED
        late_s = 0.0 if kind in ("", TURNED) else found.size
        turn_rad = found.size if kind == TURNED else 0.0
        if kind == TORN or abs(late_s) > c.late_eye_s:
            eye = RIGHT if late_s < 0 else LEFT
            return {**NOTHING, eye: TORN if kind == TORN else DELAYED}, turn_rad, late_s
        if not kind and matches.behind_share > c.crossed_share:
            kind = SWAPPED
        return {**NOTHING, PAIR: kind}, turn_rad, late_s

    def _astray(self, error: float) -> bool:
        """Return whether rows match badly, and hardly any corner stays in its row.

        Where some do, the others slid along the edges of near things.
        """
        rows, c = self._rows[0], self._config
        return pairchecks.mismatch(rows, error) > c.mismatch and (
            pairchecks.level_share(rows, error) < c.level_share
        )

    def _explained(self, error: float) -> tuple[str, Finding]:
        """Return the fault that explains the rows best; empty if none does well enough.

        The newest frame speaks for itself; a weak fault shows in several frames together.
        """
        for rows in (self._rows[0], pairchecks.pooled(self._rows)):
            found = self._best(rows, error)
            if found[0]:
                return found
        return "", Finding(0.0, 0.0)

    def _best(self, rows: RowErrors, error: float) -> tuple[str, Finding]:
        c = self._config
        found = pairchecks.findings(rows, error)
        few = max(1.0, c.full_matches / len(self._rows[0].errors))
        evidence = c.evidence * few * few
        candidates = (
            (found.skew, OUT_OF_SYNC, c.min_skew_s, 0.0),
            (found.tear, TORN, c.min_skew_s, c.evidence),
            (found.turn, TURNED, math.radians(c.min_turn_deg), c.evidence),
        )
        plausible = [
            (finding.gain - handicap, kind, finding)
            for finding, kind, least, handicap in candidates
            if abs(finding.size) > least and finding.gain > evidence
        ]
        if not plausible:
            return "", Finding(0.0, 0.0)
        _, kind, finding = max(plausible, key=lambda entry: entry[0])
        return kind, finding

    def _confirm(self, shows: Verdicts) -> None:
        """Hold a fault while any showed in enough of the last frames: by its most frequent name."""
        most = self._config.confirm_frames
        self._shown = (*self._shown[-most:], shows)
        signs = [past for past in self._shown if any(past.values())]
        self._held = NOTHING
        if len(signs) >= most:
            self._held = max(reversed(signs), key=signs.count)


def _by_blocks(seen: BlockVerdict, turns: bool) -> str:
    """Return the name of what the blocks say, empty where it is nothing."""
    if seen.turned:
        return TURNED
    if seen.behind and seen.mostly_behind:
        return SWAPPED
    if seen.jumped:
        return OUT_OF_SYNC if seen.in_a_turn else TURNED
    if seen.behind:
        return OUT_OF_SYNC if turns else TURNED
    return ""


def check_frame(frame: StereoFrame, shape: tuple[int, int] | None = None) -> FrameCheck:
    """Return what the images of one frame say by themselves.

    Args:
        frame: any.
        shape: rows and columns that an image of this camera has; one of another size is no image.
    """
    return FrameCheck(
        seq=frame.seq,
        stamp_ns=frame.stamp_ns,
        valid=frame.valid,
        left=_verdict(frame.left, shape),
        right=_verdict(frame.right, shape),
        left_crc=imagechecks.crc(frame.left),
        right_crc=imagechecks.crc(frame.right),
    )


def _verdict(image: Image | None, shape: tuple[int, int] | None) -> str:
    if image is None or image.size == 0:
        return "missing"
    if shape is not None and (image.shape != shape or image.dtype != np.uint8):
        return FOREIGN
    return imagechecks.verdict_alone(image)


def _strange(
    levels: tuple[NDArray[np.float32], NDArray[np.float32]], config: HealthConfig
) -> NDArray[np.bool_]:
    """Return the blocks that show what the other eye does not, (rows, cols) bool.

    Where that is many, the eyes may be exposed differently: then as bright as each other.
    """
    left, right = levels
    strange = _outside(left, right, config.cover_levels)
    if strange.mean() <= config.cover_share:
        return strange
    gain = np.float32(np.median(left) + 1) / np.float32(np.median(right) + 1)
    equalised = _outside(left, right * np.clip(gain, 0.5, 2), config.cover_levels)
    return min(strange, equalised, key=np.count_nonzero)


def _outside(
    left: NDArray[np.float32], right: NDArray[np.float32], least: float
) -> NDArray[np.bool_]:
    a = imagechecks.strangeness(left, right, _REACH)
    b = imagechecks.strangeness(right, left, _REACH)
    return np.maximum(a, b) > least
