from __future__ import annotations

from drone.messages import Eye, HealthEvent
from drone.onboard.healthnotes import HealthNotes

S = 1_000_000_000


def event(at_s: float, eye: Eye, kind: str, active: bool = True) -> HealthEvent:
    return HealthEvent(0, int(at_s * S), True, eye, kind, active)


def test_a_line_for_each_eye_and_fault() -> None:
    notes = HealthNotes()
    notes.add([event(2.5, Eye.LEFT, "black"), event(3.9, Eye.LEFT, "black", active=False)])
    notes.add([event(0.6, Eye.PAIR, "swapped")])
    for k in range(3):
        notes.add([event(5 + k, Eye.RIGHT, "torn"), event(5.5 + k, Eye.RIGHT, "torn", False)])
    assert notes.lines == (
        "eyes swapped from 0.6 s on",
        "left eye black from 2.5 s to 3.9 s",
        "right eye torn 3 times from 5.0 s on, until 7.5 s",
    )


def test_what_driver_and_images_both_say_is_told_once() -> None:
    notes = HealthNotes()
    told = event(1.0, Eye.PAIR, "out of sync")
    assert notes.add([told, event(1.1, Eye.PAIR, "out of sync")]) == (told,)
    assert notes.add([event(1.2, Eye.PAIR, "out of sync")]) == ()
    over = event(2.0, Eye.PAIR, "out of sync", active=False)
    assert notes.add([over, over]) == (over,)
    assert notes.add([event(3.0, Eye.PAIR, "out of sync")]) != ()
    assert notes.lines == ("eyes out of sync 2 times from 1.0 s on, the last goes on",)


def test_an_end_without_a_beginning_says_nothing() -> None:
    notes = HealthNotes()
    assert notes.add([event(1.0, Eye.LEFT, "unplugged", active=False)]) == ()
    assert HealthNotes().lines == notes.lines == ()
