"""The MCAP writer: what it writes, the reference reader reads, checksums, index and all."""

from __future__ import annotations

from pathlib import Path

import pytest
from mcap.reader import NonSeekingReader, make_reader
from mcap.records import ChunkIndex, DataEnd
from mcap.stream_reader import StreamReader

from drone.mcapfile import LogFile
from drone.mcapwriter import McapWriter

SCHEMA = ("drone.Thing", "protobuf", b"schema")
MESSAGES = [
    (n % 3, 10**9 + 7 * n - 13 * (n % 5), bytes([n % 256]) * (n * 37 % 900)) for n in range(500)
]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mcap") / "a.mcap"
    file = LogFile(path)
    writer = McapWriter(file, 4096)
    writer.write_metadata("facts", {"a": "b", "größe": "ü"})
    channels = [writer.open(f"/topic/{n}", SCHEMA) for n in range(4)]
    for number, time_ns, data in MESSAGES:
        channels[number].log(data[:5], time_ns, memoryview(data)[5:])
    channels[0].log(bytes(20_000), 5)  # larger than a chunk
    writer.write_metadata("facts", {"c": ""})
    writer.close()
    file.close()
    file.check()
    return path


def expected() -> list[tuple[str, int, bytes]]:
    return [(f"/topic/{n}", time_ns, data) for n, time_ns, data in MESSAGES] + [
        ("/topic/0", 5, bytes(20_000))
    ]


def test_the_reference_reader_finds_every_message_in_order(path: Path) -> None:
    with path.open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        found = [
            (channel.topic, message.log_time, message.data)
            for schema, channel, message in reader.iter_messages(log_time_order=False)
            if schema is not None and schema.data == SCHEMA[2]
        ]
    assert found == expected()


def test_one_that_cannot_seek_too(path: Path) -> None:
    with path.open("rb") as file:
        reader = NonSeekingReader(file, validate_crcs=True)
        found = [m.data for _, _, m in reader.iter_messages(log_time_order=False)]
    assert found == [data for _, _, data in expected()]


def test_the_index_finds_a_moment_of_a_topic(path: Path) -> None:
    start, end = 10**9 + 1000, 10**9 + 2000
    with path.open("rb") as file:
        found = [
            (message.log_time, message.data)
            for _, _, message in make_reader(file).iter_messages(
                ["/topic/1"], starting_at=start, ending_before=end
            )
        ]
    wanted = [(t, data) for n, t, data in MESSAGES if n == 1 and start <= t < end]
    assert sorted(found) == sorted(wanted)
    assert len(found) > 10


def test_the_summary_counts(path: Path) -> None:
    with path.open("rb") as file:
        reader = make_reader(file)
        summary = reader.get_summary()
        texts = [metadata.metadata for metadata in reader.iter_metadata()]
    assert summary is not None
    assert summary.statistics is not None
    assert texts == [{"a": "b", "größe": "ü"}, {"c": ""}]
    assert summary.statistics.message_count == len(expected())
    assert summary.statistics.channel_message_counts == {1: 168, 2: 167, 3: 166}
    assert {channel.topic for channel in summary.channels.values()} == {
        f"/topic/{n}"
        for n in range(3)  # the fourth has no message
    }
    times = [time_ns for _, time_ns, _ in expected()]
    assert summary.statistics.message_start_time == min(times)
    assert summary.statistics.message_end_time == max(times)
    assert summary.statistics.chunk_count == len(summary.chunk_indexes) > 20


def test_checksums_of_chunks_and_of_all_data_are_right(path: Path) -> None:
    with path.open("rb") as file:
        records = list(StreamReader(file, emit_chunks=True, validate_crcs=True).records)
    (end,) = [record for record in records if isinstance(record, DataEnd)]
    assert end.data_section_crc != 0
    indexes = [record for record in records if isinstance(record, ChunkIndex)]
    assert all(index.message_index_offsets for index in indexes)


def test_an_empty_file_is_a_file(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "a.mcap")
    McapWriter(file, 4096).close()
    file.close()
    with (tmp_path / "a.mcap").open("rb") as written:
        summary = make_reader(written, validate_crcs=True).get_summary()
    assert summary is not None
    assert summary.statistics is not None
    assert summary.statistics.message_count == 0
