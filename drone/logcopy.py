"""Copying messages of a log, byte for byte, into a new log that every reader opens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import foxglove
from foxglove.mcap import MCAPWriteOptions
from mcap.records import Message, Schema

from drone import codec, topics
from drone.logformat import HEADER_NAME, LogHeader, metadata_from_header
from drone.logpart import CHUNK_BYTES
from drone.mcapfile import LogFile
from drone.messages import LogGap


class LogCopy:
    """The new file, message after message.

    Attributes:
        messages: copied.
        unknown: messages of a channel whose description is lost; they are left out.
    """

    def __init__(self, target: Path, header: LogHeader) -> None:
        """Make the file and write its header.

        Raises:
            UserError: the target is there.
            WorkFailedError: it cannot be made.
        """
        self.messages = self.unknown = 0
        self._header = header
        self._file = LogFile(target)
        self._channels: dict[str, foxglove.Channel] = {}
        self._context = foxglove.Context()
        options = MCAPWriteOptions(chunk_size=CHUNK_BYTES, compression_threads=0)
        self._writer: Any = foxglove.open_mcap(
            self._file, context=self._context, writer_options=options
        )
        self._write_header()

    def message(self, name: str, message: Message, schema: Schema | None) -> None:
        """Copy one message of a topic.

        Raises:
            WorkFailedError: the disk is full; the part that was written is a sound log.
        """
        if schema is None:
            self.unknown += 1
            return
        channel = self._channels.get(name) or self._open(
            name, schema.name, schema.encoding, schema.data
        )
        channel.log(message.data, log_time=message.log_time)
        self.messages += 1
        self._file.check()

    def write(self, topic: topics.Topic, message: Any, log_time: int) -> None:
        """Write a message of our own.

        Raises:
            WorkFailedError: as `message`.
        """
        cls: type = type(message)
        name, data = codec.schema(cls)
        channel = self._channels.get(topic.name) or self._open(topic.name, name, "protobuf", data)
        channel.log(codec.encode(message), log_time=log_time)
        self._file.check()

    def gap(self, gap: LogGap, log_time: int) -> None:
        """Say that messages are missing here."""
        self.write(topics.GAP, gap, log_time)

    def close(self) -> None:
        """Write the header once more, and the index.

        Raises:
            WorkFailedError: as `message`.
        """
        self._write_header()
        self._writer.close()
        self._file.close()
        self._file.check()

    def _write_header(self) -> None:
        self._writer.write_metadata(HEADER_NAME, metadata_from_header(self._header))

    def _open(self, name: str, schema: str, encoding: str, data: bytes) -> foxglove.Channel:
        self._channels[name] = foxglove.Channel(
            name,
            schema=foxglove.Schema(name=schema, encoding=encoding, data=data),
            message_encoding=encoding,
            context=self._context,
        )
        return self._channels[name]
