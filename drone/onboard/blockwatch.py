"""Blocks of the last frames in, a verdict on the pair out: the state behind `blockchecks`.

pair ─► evidence ─┬─ of the last three frames ─► turned, behind infinity ─► BlockVerdict
                  └─ against the frame before ─► jumped; stands for a while ─┘
"""

from __future__ import annotations

from dataclasses import dataclass

from drone.clock import ns_from_s
from drone.config import HealthConfig
from drone.geometry import Intrinsics
from drone.messages import Image
from drone.onboard.blockchecks import BlockChecker, BlockEvidence
from drone.onboard.pairchecks import FRAMES

_ALONE = 0.7
"""Share of the evidence of three frames that is enough in the newest one alone."""
_ALERT = 0.5
"""Share of the evidence from which every frame is compared."""


@dataclass(frozen=True, slots=True)
class BlockVerdict:
    """What the blocks say of the pair.

    Attributes:
        turned: an eye is turned up, down or about its axis.
        behind: things lie behind infinity.
        mostly_behind: most do.
        jumped: an eye has jumped aside and has not come back.
        in_a_turn: it jumped while the vehicle turned, as a late eye does.
        turn_rad: size of the turn, or of the jump.
        alert: there may be something: the next frame should be compared too.
    """

    turned: bool = False
    behind: bool = False
    mostly_behind: bool = False
    jumped: bool = False
    in_a_turn: bool = False
    turn_rad: float = 0.0
    alert: bool = False


class BlockWatch:
    """Watches the pairs of one camera, in their order."""

    def __init__(self, config: HealthConfig, camera: Intrinsics) -> None:
        """Start without a frame."""
        self._config = config
        self._checker = BlockChecker(camera)
        self._frames: tuple[BlockEvidence, ...] = ()
        self._before: BlockEvidence | None = None
        self._jumped_rad, self._jumped_ns, self._in_a_turn = 0.0, 0, False

    def miss(self) -> None:
        """Take note that a frame could not be compared: the next one has none before it."""
        self._frames = self._frames[: FRAMES - 2]
        self._before = None

    def see(self, images: tuple[Image, Image], stamp_ns: int, turns: bool) -> BlockVerdict:
        """Return what this pair says with those before.

        Args:
            images: left and right, (H, W) uint8 each.
            stamp_ns: of the pair.
            turns: whether the vehicle turns.
        """
        c = self._config
        now = self._checker.evidence(*images)
        jump = self._note_jump(now, stamp_ns, turns)
        self._frames = (now, *self._frames[: FRAMES - 1])
        alone, turn = (self._checker.turn(f) for f in (self._frames[:1], self._frames))
        turned = max(alone.gain / (_ALONE * c.block_evidence), turn.gain / c.block_evidence)
        behind = sum(frame.behind for frame in self._frames) / c.behind_evidence
        return BlockVerdict(
            turned=turned > 1,
            behind=behind > 1,
            mostly_behind=now.mostly_behind,
            jumped=self._jumped_rad != 0,
            in_a_turn=self._in_a_turn,
            turn_rad=turn.size if turned > 1 else abs(self._jumped_rad),
            alert=max(turned, behind, jump) > _ALERT,
        )

    def _note_jump(self, now: BlockEvidence, stamp_ns: int, turns: bool) -> float:
        """Take down a jump since the frame before; return its share of the evidence it needs."""
        c, before = self._config, self._before
        self._before = now
        if stamp_ns - self._jumped_ns > ns_from_s(c.jump_stands_s):
            self._jumped_rad = 0.0
        if before is None:
            return 0.0
        jump = self._checker.jump(before, now)
        if jump.gain > c.jump_evidence:
            back = jump.size * self._jumped_rad < 0
            self._jumped_rad = 0.0 if back else jump.size
            self._jumped_ns, self._in_a_turn = stamp_ns, turns
        return jump.gain / c.jump_evidence
