"""One MCAP file that is being written: in come ticks and messages, out comes the file.

The file grows chunk by chunk, each written at once: a killed process loses its open chunk (128 KiB
before compression, at most a second) and the index, nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import foxglove
from foxglove.mcap import MCAPWriteOptions

from drone.logchannels import LogChannels
from drone.logformat import HEADER_NAME, LogHeader, metadata_from_header
from drone.mcapfile import LogFile
from drone.messages import Tick
from drone.topics import Topic

CHUNK_BYTES = 128 * 1024


class LogPart:
    """Writes one file of a log; not for several threads at once.

    Attributes:
        header: its first record.
        path: of the file.
    """

    def __init__(self, path: Path, header: LogHeader) -> None:
        """Make the file and write its header.

        Raises:
            UserError: there is a file already.
            WorkFailedError: the file cannot be made.
        """
        self.path, self.header = path, header
        context = foxglove.Context()
        self._channels = LogChannels(context, header)
        self._file = LogFile(path)
        options = MCAPWriteOptions(chunk_size=CHUNK_BYTES, compression_threads=0)
        self._writer: Any = foxglove.open_mcap(self._file, context=context, writer_options=options)
        self._writer.write_metadata(HEADER_NAME, metadata_from_header(header))
        self._header_bytes = self.size_bytes

    @property
    def data_bytes(self) -> int:
        """How much stands in the file behind its header, which holds the pilot's whole state."""
        return self.size_bytes - self._header_bytes

    @property
    def size_bytes(self) -> int:
        """How long the file is, its open chunk left out."""
        return self._file.size_bytes

    def write(self, topic: Topic, message: Any) -> None:
        """Write one message.

        Raises:
            ValueError: a value does not fit its field.
            WorkFailedError: the disk is full or gone; what was written before can be read.
        """
        self._channels.write(topic, message)
        self._file.check()

    def write_tick(self, tick: Tick) -> None:
        """Write what a tick consumed, then the tick's record, without anything in between.

        Raises:
            ValueError: a value does not fit its field.
            WorkFailedError: as `write`.
        """
        self._channels.write_tick(tick)
        self._file.check()

    def close(self) -> None:
        """Write what is still open and the index; a second call does nothing.

        Raises:
            WorkFailedError: as `write`.
        """
        writer, self._writer = self._writer, None
        if writer is None:
            return
        writer.write_metadata(HEADER_NAME, metadata_from_header(self.header))
        self._channels.close()
        writer.close()
        self._file.close()
        self._file.check()
