"""Where bytes of an autopilot come from and go to: a serial line, UDP or TCP. Nothing is parsed.

All ports are non-blocking: `read` returns what is there, `fileno` is what to wait for. Bytes of a
datagram belong together and have a sender; a stream has neither.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import termios
import tty
from dataclasses import dataclass
from typing import Protocol

from drone.config.autopilot import Address
from drone.errors import UserError, WorkFailedError

Peer = tuple[str, int]
"""Host and port of a sender."""
CONNECT_S = 3.0
"""So long a TCP connection may take."""
_MOST = 65536


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that came together.

    Attributes:
        data: them.
        sender: of a datagram, None in a stream.
    """

    data: bytes
    sender: Peer | None


class PortLostError(WorkFailedError):
    """The line broke: unplugged, or closed by the other side."""


class Port(Protocol):
    """One open line.

    Attributes:
        name: for messages.
    """

    name: str

    def fileno(self) -> int:
        """Return what to wait for."""

    def read(self) -> list[Chunk]:
        """Return what has come.

        Raises:
            PortLostError: the line broke.
        """

    def write(self, data: bytes, to: Peer | None) -> None:
        """Send; what the line cannot take now is lost, as in the air.

        Raises:
            PortLostError: the line broke.
        """

    def close(self) -> None:
        """Close; a second call does nothing."""


def open_port(address: Address) -> Port:
    """Open a line.

    Raises:
        UserError: there is no such device or host, or it may not be opened.
        WorkFailedError: it is busy, or nobody answers.
    """
    if address.kind == "serial":
        return _Serial(address.place, address.number)
    return _Tcp(address) if address.kind == "tcp" else _Udp(address)


class _Udp:
    def __init__(self, address: Address) -> None:
        self.name = f"{address.kind}://{address.place}:{address.number}"
        peer = _resolved(address, self.name)
        self._called = None if address.kind == "udpin" else peer
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            self._socket.bind(("0.0.0.0", 0) if self._called else peer)
        except OSError as error:
            self.close()
            raise _not_opened(self.name, error) from error

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self) -> list[Chunk]:
        chunks: list[Chunk] = []
        while len(chunks) < 1000:
            try:
                data, sender = self._socket.recvfrom(_MOST)
            except BlockingIOError:
                break
            except ConnectionError:  # what was sent before found nobody there
                continue
            chunks.append(Chunk(data, sender))
        return chunks

    def write(self, data: bytes, to: Peer | None) -> None:
        peer = self._called if self._called is not None else to
        if peer is not None:
            with contextlib.suppress(OSError):  # lost, as in the air
                self._socket.sendto(data, peer)

    def close(self) -> None:
        self._socket.close()


class _Stream:
    """What a serial line and a TCP connection have in common: a file descriptor."""

    def __init__(self, name: str, descriptor: int) -> None:
        self.name = name
        self._descriptor = descriptor
        os.set_blocking(descriptor, False)

    def fileno(self) -> int:
        return self._descriptor

    def read(self) -> list[Chunk]:
        try:
            data = os.read(self._descriptor, _MOST)
        except BlockingIOError:
            return []
        except OSError as error:
            raise PortLostError(f"{self.name}: the line broke: {error.strerror}") from error
        if not data:
            raise PortLostError(f"{self.name}: the line was closed at the other end")
        return [Chunk(data, None)]

    def write(self, data: bytes, to: Peer | None) -> None:
        del to
        try:
            os.write(self._descriptor, data)
        except BlockingIOError:
            return
        except OSError as error:
            raise PortLostError(f"{self.name}: the line broke: {error.strerror}") from error

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class _Tcp(_Stream):
    def __init__(self, address: Address) -> None:
        name = f"tcp://{address.place}:{address.number}"
        try:
            connection = socket.create_connection(_resolved(address, name), CONNECT_S)
        except OSError as error:
            raise _not_opened(name, error) from error
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__(name, connection.detach())


class _Serial(_Stream):
    def __init__(self, device: str, baud: int) -> None:
        name = f"{device} at {baud} baud"
        try:
            descriptor = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as error:
            raise _not_opened(name, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _make_raw(descriptor, baud)
        except (OSError, termios.error) as error:
            os.close(descriptor)
            raise _not_opened(name, error) from error
        super().__init__(name, descriptor)


def _make_raw(descriptor: int, baud: int) -> None:
    """Set a serial line to eight bits, no parity, no flow control, no echo, and its rate."""
    tty.setraw(descriptor)
    fcntl.ioctl(descriptor, termios.TIOCEXCL)
    speed = getattr(termios, f"B{baud}")
    flags = termios.tcgetattr(descriptor)
    flags[2] = termios.CS8 | termios.CREAD | termios.CLOCAL
    flags[4] = flags[5] = speed
    termios.tcsetattr(descriptor, termios.TCSANOW, flags)
    termios.tcflush(descriptor, termios.TCIOFLUSH)


def _resolved(address: Address, name: str) -> Peer:
    try:
        info = socket.getaddrinfo(address.place, address.number, socket.AF_INET)
    except OSError as error:
        raise UserError(f"{name}: no host is called {address.place} ({error.strerror})") from error
    host, port = info[0][4][:2]
    return str(host), int(port)


_WORDS: dict[int, str] = {
    errno.ENOENT: "there is no such device; plugged in? `ls /dev/tty*` lists what there is",
    errno.ENOTTY: "is no serial line",
    errno.EACCES: "may not be opened: add the user to the group that owns it "
    "(`sudo usermod -aG dialout $USER`), then log in again",
    errno.EBUSY: "is busy: another program has it open (a login console, ModemManager, mavproxy?)",
    errno.EAGAIN: "is busy: another program has it open (a login console, ModemManager, mavproxy?)",
    errno.EADDRINUSE: "is busy: another program listens on this port (a ground station?)",
    errno.EADDRNOTAVAIL: "is no address of this machine; 0.0.0.0 listens on all of them",
    errno.ECONNREFUSED: "nobody listens there; is the autopilot, or its router, running?",
    errno.EINVAL: "cannot be set so: does the device know this baud rate?",
}


def _not_opened(name: str, error: OSError | termios.error) -> UserError | WorkFailedError:
    """Return the error that says what to do about a line that does not open."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    if isinstance(error, TimeoutError):
        return WorkFailedError(f"{name}: nobody answered within {CONNECT_S:g} s")
    words = _WORDS.get(number, f"cannot be opened: {os.strerror(number)}")
    wrong_use = number in (errno.ENOENT, errno.ENOTTY, errno.EACCES, errno.EADDRNOTAVAIL)
    return (UserError if wrong_use else WorkFailedError)(f"{name}: {words}")
