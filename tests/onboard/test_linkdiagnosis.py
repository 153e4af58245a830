"""Why no autopilot is heard, in words."""

import pytest

from drone.onboard.linkdiagnosis import LineCounts, diagnosis, rivalry

SERIAL = "/dev/ttyAMA0 at 57600 baud"


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (LineCounts(), "nothing comes at all"),
        (LineCounts(read_bytes=100), "100 bytes, and no message"),
        (LineCounts(read_bytes=5000), "the baud rate is most likely wrong"),
        (LineCounts(read_bytes=5000, messages=20, others=20), "no autopilot's heartbeat"),
        (LineCounts(read_bytes=5000, messages=20, systems={1: 5}), "fallen silent"),
    ],
)
def test_each_silence_has_its_words(counts, words):
    assert words in diagnosis(SERIAL, counts, 0, signed=False)


def test_noise_on_a_network_is_no_baud_rate():
    noise = LineCounts(read_bytes=5000)
    assert "not MAVLink" in diagnosis("udpin://0.0.0.0:14550", noise, 0, signed=False)


def test_a_wrong_system_id_names_the_right_one():
    counts = LineCounts(read_bytes=5000, messages=20, systems={7: 5})
    assert "autopilot.system_id = 7" in diagnosis(SERIAL, counts, 3, signed=False)


def test_a_wrong_key_is_told_where_one_is_asked_for():
    counts = LineCounts(read_bytes=5000, unsigned=20)
    assert "right signature" in diagnosis(SERIAL, counts, 0, signed=True)


def test_one_autopilot_has_no_rival():
    assert rivalry({1: 0}, {1: {("10.0.0.1", 14550)}}) == ""
    assert rivalry({}, {}) == ""


def test_rivals_are_named():
    assert "system ids 1 and 4" in rivalry({4: 0, 1: 0}, {})
    both = rivalry({1: 0}, {1: {("10.0.0.2", 1), ("10.0.0.1", 2)}})
    assert "10.0.0.1:2 and 10.0.0.2:1" in both
