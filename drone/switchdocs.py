"""The page on switching, `docs/switching.md`: in come the strategies' tables, out comes Markdown.

After a change of tables, meanings or settings: `python -m drone.switchdocs docs/switching.md`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from drone.config import SwitchingConfig
from drone.messages import Mode
from drone.onboard.switching import MEANINGS, STRATEGIES, Situation, Strategy

_INTRODUCTION = """\
# Switching: who flies

*This page is generated from the tables in `drone/onboard/switching.py` and the settings in
`drone/config/switching.py`: `python -m drone.switchdocs docs/switching.md`.*

At every tick the pilot looks at what there is to fly with, names the most pressing *situation*,
and looks up in the table of its *strategy* where its *mode* goes. There is no clock in it, no
randomness and no input: `drone replay --verify` gets the same modes from a log.

| Mode | Who flies |
|---|---|
| `stereo` | stereo; mono learns |
| `training_wheels` | mono; stereo overrides an imminent collision |
| `mono` | mono alone |
| `hold` | nobody: the drone hovers, or looks around |
| `land` | nobody: the drone comes down where it is, unless the human pilot takes over |

## Situations

The first that is so counts.

| Situation | What it means |
|---|---|
"""

_HYSTERESIS = """
- **Stereo** is gone when an eye, or the pair, has been unwell for `stereo_lost_s`, and back when
  both have been well for `stereo_back_s` without a gap, and the pair has proved itself meanwhile
  ([health.md](health.md)).
- **Mono** may fly while it holds its licence, live or frozen, and has just answered. The licence
  has its own hysteresis (`pilot.trust`). Mono that stopped answering must have answered for
  `back_s`.
- **Blind** is also a drone whose eyes are not given up yet: where no cue that may fly has seen
  anything for `blind_s`, it holds, and a trusted cue that goes leaves it in HOLD within half a
  second.
- What is missing counts as missing at once. What comes back must have been there for `back_s`:
  the same change of mode never happens twice within that time, but for the human pilot, who takes
  over and gives back from one tick to the next.

"""

_ENDING = """\
## Training wheels

Mono decides by its distance and the threshold of its licence. Stereo **overrides** it where mono
would fly on and a collision is imminent: where less than `override_m` would be left once the
drone stands, that is, below `override_m` + v `react_s` + v²/(2 `brake_mps2`) at the speed v along
its nose. Overrides are counted (`overrides`, `overrides_per_100m`), too many cost the licence, and
the frames at which they happened are worth more to the learner ([learning.md](learning.md)).

Beside stereo guards what **both cues** see: stereo's cells, and where it has no answer, or one of
little confidence, mono's cautious cells, brought to stereo's scale by the licence's threshold; of
two answers the nearer one. The distance by both is never farther than stereo's own
(`MonoEstimate.both_m` in the log). So a plain thing beside a textured wall stops the drone. What
teaches and what trust is measured on stays stereo's alone.

## Mono alone

The speed is `mono_speed` of the cruising speed at least, and grows to all of it with the share of
allowed needless stops that mono does not make (fpr below `pilot.trust.max_fpr`), times its
certainty: its cautious distance over the plain one.

Wherever mono decides, with stereo beside it or alone, the drone brakes on its way to the distance
at which mono stops it, and is no faster than `mono_stop_mps` there. So it need not stop earlier
than stereo would to be as safe: what mono is less sure of it makes up for in braking way.

Where mono had earned its licence, still sees, and is only unsure of what it sees, or never learned
it, HOLD looks elsewhere: the drone turns on the spot at `search_rate_degps` while something strange
is in view, stands still while nothing is, and flies on when the licence does. After `search_s`
without success it lands. A drone that sees nothing, or has no vehicle state, stands still and lands
after `hold_s`.

## What stereo does not answer

Unknown stops the drone. `unknown = "free"` flies as common planners do, by what is answered alone:
a baseline for comparison that flies into plain walls. Even then a pair that is unwell shows
nothing.

    drone fly --difficulty plain --set pilot.switching.strategy=stereo_only \\
      --set pilot.switching.unknown=free

## Comparing strategies

With trust as the gate, a learner that never earns it flies alike under every strategy. So for the
paper's comparison one gives `pilot.switching.handover_s`: from that time of flight on mono flies
alone, in `training_wheels`, `dagger` and `cold_turkey` alike, and its licence is not asked for,
before that neither. Stereo is let go: it neither guards nor teaches any more, the threshold is
that of the last moment, and mono that does not answer holds, then lands. Its distances go on into
the score.

    drone fly --set pilot.switching.strategy=dagger --set pilot.switching.handover_s=120

`cold_turkey` and `mono_only` fly mono **without a licence**, and so does whatever has a
`handover_s`: for experiments, and for a vehicle with one eye. Images that are unlike what was
learned still hold the drone.

## DAgger

Who flies is drawn per turn of `dagger_turn_s`: stereo with a probability that starts at 1 and
halves every `dagger_half_s` of flight, which is the mixture of Ross, Gordon and Bagnell (2011)
with beta falling as p^i. The draw depends on `dagger_seed` and the number of the turn alone, so
that a flight replays exactly. In mono's turn nobody overrides it, which is what training wheels
add. Without `handover_s` mono's turns are flown only while it holds its licence.

## One eye

    drone fly --model model.onnx --set pilot.switching.strategy=mono_only

flies a model as it is: nothing teaches it, and nothing measures it. It stops below `stop_m` over
`pilot.trust.safety`. Without a model the drone holds, then lands.

## Settings

`pilot.switching`:

| Key | Default | Meaning |
|---|---|---|
"""


def markdown() -> str:
    """Return the whole page."""
    strategies = "\n".join(_strategy(name, s) for name, s in STRATEGIES.items())
    return _INTRODUCTION + _situations() + _HYSTERESIS + strategies + "\n" + _ENDING + _settings()


def diagram(table: Mapping[tuple[Mode, Situation], Mode]) -> str:
    """Return a Mermaid state diagram. Modes that go the same ways share one junction."""
    entered = [mode for mode in Mode if mode in table.values()]
    ways = {mode: _ways(table, mode) for mode in entered}
    junctions: dict[tuple[tuple[Mode, str], ...], list[Mode]] = {}
    for mode in entered:
        junctions.setdefault(ways[mode], []).append(mode)
    lines = ["stateDiagram-v2"]
    for number, (leads, modes) in enumerate(junctions.items()):
        start = modes[0].value
        if len(modes) > 1:
            start = f"tick{number}"
            lines.append(f"    state {start} <<choice>>")
            lines += [f"    {mode.value} --> {start}" for mode in modes]
        alone = len(modes) == 1
        lines += [
            f"    {start} --> {to.value}: {why}"
            for to, why in leads
            if not (alone and to is modes[0])
        ]
    return "\n".join(lines)


def _ways(table: Mapping[tuple[Mode, Situation], Mode], mode: Mode) -> tuple[tuple[Mode, str], ...]:
    """Return where a mode goes, and in which situations."""
    causes: dict[Mode, list[str]] = {}
    for situation in Situation:
        causes.setdefault(table[mode, situation], []).append(situation.value)
    return tuple((to, ", ".join(causes[to])) for to in Mode if to in causes)


def _strategy(name: str, strategy: Strategy) -> str:
    table = strategy.table
    entered = [mode for mode in Mode if mode in table.values()]
    rows = (
        f"| `{s}` | " + " | ".join(f"`{table[mode, s]}`" for mode in entered) + " |"
        for s in Situation
    )
    head = "| Situation | " + " | ".join(f"from `{mode}`" for mode in entered) + " |"
    return "\n".join(
        (
            f"## Strategy `{name}`",
            "",
            strategy.meaning,
            "",
            "```mermaid",
            diagram(table),
            "```",
            "",
            head,
            "|---" * (len(entered) + 1) + "|",
            *rows,
            "",
        )
    )


def _situations() -> str:
    return "".join(f"| `{s}` | {MEANINGS[s]} |\n" for s in MEANINGS)


def _settings() -> str:
    rows = (
        f"| `{name}` | {'' if field.default is None else f'`{field.default}`'} | "
        f"{' '.join((field.description or '').split())} |\n"
        for name, field in SwitchingConfig.model_fields.items()
    )
    return "".join(rows)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(markdown(), encoding="utf-8")
