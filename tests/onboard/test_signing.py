"""The signing key, and timestamps that never go back."""

import pytest

from drone.errors import UserError
from drone.onboard.signing import AHEAD, EPOCH_S, PER_S, TimestampFile, read_key


def key_file(tmp_path, data, mode=0o600):
    path = tmp_path / "key"
    path.write_bytes(data)
    path.chmod(mode)
    return path


def test_a_key_is_32_bytes_or_64_hex_digits(tmp_path):
    key = bytes(range(32))
    assert read_key(key_file(tmp_path, key)) == key
    assert read_key(key_file(tmp_path, key.hex().encode() + b"\n")) == key


@pytest.mark.parametrize(
    ("data", "mode", "words"),
    [
        (b"secret", 0o600, "6 bytes; a signing key is 32 bytes"),
        (b"z" * 64, 0o600, "64 bytes; a signing key is 32 bytes"),
        (bytes(32), 0o644, "chmod 600"),
    ],
)
def test_another_key_file_is_refused(tmp_path, data, mode, words):
    with pytest.raises(UserError, match=words):
        read_key(key_file(tmp_path, data, mode))


def test_no_key_file_is_said(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        read_key(tmp_path / "none")


def test_without_a_clock_time_goes_on_across_reboots(tmp_path):
    path, last = tmp_path / "state" / "stamp", -1
    for _ in range(5):  # each time 1970, and cut off after some messages
        stamps = TimestampFile(path, 0.0)
        assert stamps.start > last
        last = stamps.start + 3 * AHEAD
        for timestamp in range(stamps.start, last + 1, AHEAD // 7):
            stamps.keep(timestamp)
            stamps.close()
        assert int(path.read_text()) > last - AHEAD // 7


def test_a_clock_that_is_right_counts(tmp_path):
    utc_s = EPOCH_S + 12345.0
    assert TimestampFile(tmp_path / "stamp", utc_s).start == 12345 * PER_S
    assert TimestampFile(tmp_path / "stamp", utc_s).start == 12345 * PER_S + AHEAD


def test_what_was_not_used_is_given_back(tmp_path):
    path = tmp_path / "stamp"
    for _ in range(20):
        stamps = TimestampFile(path, 0.0)
        stamps.give_back(stamps.start + 3)
    assert TimestampFile(path, 0.0).start == 20 * 3


def test_what_somebody_else_has_begun_on_is_not_given_back(tmp_path):
    path = tmp_path / "stamp"
    first = TimestampFile(path, 0.0)
    second = TimestampFile(path, 0.0)
    first.give_back(first.start + 3)
    assert TimestampFile(path, 0.0).start >= second.start + AHEAD


def test_a_spoilt_file_is_said(tmp_path):
    (tmp_path / "stamp").write_text("yesterday")
    with pytest.raises(UserError, match="is no signing timestamp"):
        TimestampFile(tmp_path / "stamp", 0.0)


def test_a_disk_that_fails_in_flight_is_noted_and_flies_on(tmp_path):
    stamps = TimestampFile(tmp_path / "state" / "stamp", 0.0)
    (tmp_path / "state" / "stamp").unlink()
    (tmp_path / "state").rmdir()
    stamps.keep(stamps.start + AHEAD)
    stamps.close()
    assert "no folder" in stamps.problem
