"""Serial lines (a pseudo-terminal), UDP and TCP: bytes in and out, and what each error says."""

import errno
import os
import socket
import termios
import time
from contextlib import closing

import pytest
from mavpeer import free_port
from pydantic import ValidationError

from drone.config.autopilot import BAUD_RATES, AutopilotConfig, parse_url
from drone.errors import UserError, WorkFailedError
from drone.onboard import mavports
from drone.onboard.mavports import PortLostError, open_port


def opened(url):
    return closing(open_port(parse_url(url)))


def read_soon(port, tries=200):
    for _ in range(tries):
        chunks = port.read()
        if chunks:
            return chunks
        time.sleep(0.005)
    raise AssertionError("nothing came")


@pytest.fixture
def terminal():
    ours, theirs = os.openpty()
    yield ours, os.ttyname(theirs)
    os.close(theirs)
    os.close(ours)


def test_a_serial_line_carries_every_byte_both_ways(terminal):
    ours, device = terminal
    every = bytes(range(256))
    with opened(f"serial://{device}:921600") as port:
        os.write(ours, every)
        data = b""
        while len(data) < 256:
            data += read_soon(port)[0].data
        assert data == every
        port.write(every, None)
        assert os.read(ours, 1000) == every
        flags = termios.tcgetattr(port.fileno())
        assert flags[4] == flags[5] == termios.B921600


def test_a_serial_line_that_is_busy_says_so(terminal):
    _, device = terminal
    url = f"serial://{device}:57600"
    with opened(url), pytest.raises(WorkFailedError, match="is busy: another program"):
        open_port(parse_url(url))


def test_a_device_that_is_not_there_says_so():
    with pytest.raises(UserError, match="no such device; plugged in"):
        open_port(parse_url("serial:///dev/ttyNONE7:57600"))


def test_a_file_is_no_serial_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is no serial line"):
        open_port(parse_url(f"serial://{tmp_path}/file:57600"))


def test_a_device_that_may_not_be_opened_says_what_to_do(monkeypatch):
    def denied(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(mavports.os, "open", denied)
    with pytest.raises(UserError, match="usermod -aG dialout"):
        open_port(parse_url("serial:///dev/ttyAMA0:57600"))


def test_a_line_that_is_unplugged_is_lost():
    ours, theirs = os.openpty()
    with opened(f"serial://{os.ttyname(theirs)}:57600") as port:
        os.close(theirs)
        os.close(ours)
        with pytest.raises(PortLostError, match="the line"):
            port.read()


@pytest.mark.parametrize("baud", BAUD_RATES)
def test_every_baud_rate_is_one_of_the_systems(baud):
    assert hasattr(termios, f"B{baud}")


def test_udp_waits_to_be_called_and_answers_the_caller():
    number = free_port()
    with (
        opened(f"udpin://127.0.0.1:{number}") as here,
        opened(f"udpout://localhost:{number}") as there,
    ):
        here.write(b"nobody yet", None)
        there.write(b"hello", None)
        (chunk,) = read_soon(here)
        assert chunk.data == b"hello"
        here.write(b"welcome", chunk.sender)
        assert read_soon(there)[0].data == b"welcome"


def test_udp_calls_into_the_void_and_goes_on():
    with opened(f"udpout://127.0.0.1:{free_port()}") as port:
        for _ in range(3):
            port.write(b"hello", None)
            assert port.read() == []


def test_a_udp_port_that_is_taken_says_so():
    url = f"udpin://127.0.0.1:{free_port()}"
    with opened(url), pytest.raises(WorkFailedError, match="another program listens"):
        open_port(parse_url(url))


def test_tcp_carries_both_ways_and_its_end_is_a_lost_line():
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        opened(f"tcp://127.0.0.1:{server.getsockname()[1]}") as port,
    ):
        there, _ = server.accept()
        there.sendall(b"hello")
        assert read_soon(port)[0].data == b"hello"
        port.write(b"welcome", None)
        assert there.recv(100) == b"welcome"
        there.close()
        with pytest.raises(PortLostError, match="closed at the other end"):
            read_soon(port)


def test_tcp_without_anybody_says_so():
    with pytest.raises(WorkFailedError, match="nobody listens there"):
        open_port(parse_url(f"tcp://127.0.0.1:{free_port()}"))


@pytest.mark.parametrize("kind", ["tcp", "udpin", "udpout"])
def test_a_host_that_is_none_says_so(kind):
    with pytest.raises(UserError, match=r"no host is called no\.such\.host\.invalid \([A-Z]"):
        open_port(parse_url(f"{kind}://no.such.host.invalid:5760"))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("/dev/ttyAMA0", "expected serial:///dev/ttyAMA0:921600"),
        ("serial:///dev/ttyAMA0", "expected serial"),
        ("serial:///dev/ttyAMA0:12345", "12345 is no baud rate"),
        ("udpin://0.0.0.0:0", "between 1 and 65535"),
        ("udp://0.0.0.0:14550", "expected serial"),
        ("tcp://host:99999", "between 1 and 65535"),
    ],
)
def test_a_url_that_is_none_is_refused(url, words):
    with pytest.raises(ValidationError, match=words):
        AutopilotConfig(url=url)


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"permission": {"channel": 3}}, "is one of the sticks"),
        ({"permission": {"sticks": []}}, "nobody could take over"),
        ({"land_after_s": 0.2}, "first the vehicle stops"),
        ({"limits": {"min_height_m": 6.0}}, "must be less than max_height_m"),
        ({"setpoint_hz": 4.0}, "greater than or equal to 5"),
        ({"reactions": {"link": "fly on"}}, "Input should be 'none', 'hold', 'land' or 'return'"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(tree, words):
    with pytest.raises(ValidationError, match=words):
        AutopilotConfig.model_validate(tree)


def test_every_setting_says_what_it_means():
    def bare(section):
        for name, field in section.model_fields.items():
            if isinstance(field.default, section.__base__):
                yield from bare(type(field.default))
            elif not field.description:
                yield f"{section.__name__}.{name}"

    assert list(bare(AutopilotConfig)) == []
