"""Between the processes of one vehicle: ZeroMQ over Unix sockets in a private folder.

    Publisher(folder, "camera") ── ipc://<folder>/camera ──► Subscriber(folder, {"camera": [...]})

Each process publishes at one address, and who listens connects, in any order: a process that dies
and comes back is heard again. Nobody waits for who listens; who is too slow loses the oldest.
Nothing leaves the machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import zmq

from drone.codec import CodecError
from drone.errors import UserError
from drone.topics import Topic
from drone.wire import pack, unpack

MOST_WAITING = 200
"""Messages that wait for one listener; ten seconds of ticks."""
_LONGEST_ADDRESS = 100
"""Of a Unix socket; the kernel takes 107 bytes."""


def address(folder: Path, name: str) -> str:
    """Return where a process publishes.

    Raises:
        UserError: the folder's name is too long for a socket.
    """
    path = str(folder.absolute() / name)
    if len(path.encode()) > _LONGEST_ADDRESS:
        raise UserError(
            f"{path}: too long for a Unix socket ({_LONGEST_ADDRESS} bytes at most); right is a "
            "folder with a shorter name"
        )
    return f"ipc://{path}"


class Publisher:
    """One process's voice."""

    def __init__(self, folder: Path, name: str) -> None:
        """Bind.

        Args:
            folder: private to the vehicle's processes.
            name: of the process.

        Raises:
            UserError: the folder cannot be used.
        """
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SNDHWM, MOST_WAITING)
        try:
            self._socket.bind(address(folder, name))
        except zmq.ZMQError as error:
            self.close()
            raise UserError(f"{folder / name}: no socket can be made here: {error}") from error

    def send(self, topic: Topic, message: Any) -> None:
        """Publish; never waits.

        Raises:
            CodecError: a value does not fit its field.
        """
        self._socket.send_multipart([topic.name.encode(), *pack(topic, message)], zmq.NOBLOCK)

    def close(self) -> None:
        """Fall silent; a second call does nothing."""
        self._context.destroy(linger=0)


class Subscriber:
    """What one process hears.

    Attributes:
        refused: messages so far that were none of their topic.
    """

    def __init__(self, folder: Path, wanted: Mapping[str, Sequence[Topic]]) -> None:
        """Connect; who is not there yet is heard once it is.

        Args:
            folder: as the publishers'.
            wanted: process -> its topics.
        """
        self.refused = 0
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.RCVHWM, MOST_WAITING)
        self._socket.setsockopt(zmq.RECONNECT_IVL, 20)
        self._socket.setsockopt(zmq.RECONNECT_IVL_MAX, 200)
        self._topics = {t.name.encode(): t for several in wanted.values() for t in several}
        for name in self._topics:
            self._socket.setsockopt(zmq.SUBSCRIBE, name)
        for process in wanted:
            self._socket.connect(address(folder, process))

    def receive(self, timeout_s: float, beside: Sequence[int] = ()) -> list[tuple[Topic, Any]]:
        """Wait for a message, and return all that are there, oldest first.

        Args:
            timeout_s: at most so long; 0 does not wait.
            beside: file descriptors; where one has something to read, the waiting ends too.
        """
        poller = zmq.Poller()
        for waited_for in (self._socket, *beside):
            poller.register(waited_for, zmq.POLLIN)
        poller.poll(max(0, math.ceil(1e3 * timeout_s)))
        found: list[tuple[Topic, Any]] = []
        for _ in range(MOST_WAITING):
            try:
                name, *parts = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            topic = self._topics.get(name)
            if topic is None:  # a longer name that begins like one that is wanted
                continue
            try:
                found.append((topic, unpack(topic, parts)))
            except CodecError:
                self.refused += 1
        return found

    def close(self) -> None:
        """Hear no more; a second call does nothing."""
        self._context.destroy(linger=0)
