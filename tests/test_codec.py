import dataclasses
import math
import timeit
import typing
from dataclasses import dataclass

import numpy as np
import pytest
from anymessage import any_float, messages_of
from bits import bits
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drone import codec, topics
from drone.logformat import FrameRecord, TickRecord
from drone.messages import (
    Cue,
    Decision,
    DistanceLabel,
    FlightEvent,
    Mode,
    ModelVersion,
    MonoEstimate,
    TrustReport,
    VehicleState,
    VelocityCommand,
)

CLASSES = [t.message for t in topics.TOPICS if t is not topics.TICK] + [FrameRecord, TickRecord]


def decision() -> Decision:
    return Decision(
        *(7, 350_000_000, True, Mode.MONO, Cue.MONO, "cruise", "trusted"),
        *(1.5, math.nan, -0.0, False, True, "", "speed"),
        VelocityCommand(7, 350_000_000, True, 0.5, 0.0, -0.0, math.nan),
    )


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_round_trip_is_exact_to_the_bit(cls: type, data: st.DataObject) -> None:
    message = data.draw(messages_of(cls))
    assert bits(codec.decode(cls, codec.encode(message))) == bits(message)


@given(any_float)
def test_every_bit_pattern_of_a_float_survives(value: float) -> None:
    event = FlightEvent(0, 0, True, "k", "d", (value, -value, 0.0))
    assert bits(codec.decode(FlightEvent, codec.encode(event))) == bits(event)


def test_negative_control_equality_alone_would_not_notice() -> None:
    a, b = FlightEvent(0, 0, True, "", "", (0.0,) * 3), FlightEvent(0, 0, True, "", "", (-0.0,) * 3)
    assert a == b
    assert bits(a) != bits(b)


def test_a_transposed_grid_is_written_by_rows() -> None:
    grid = np.arange(12, dtype=np.float32).reshape(4, 3).T
    label = DistanceLabel(1, 2, True, "", grid, grid.copy(), 1.0, (), 1.0, 0.5)
    back = codec.decode(DistanceLabel, codec.encode(label))
    np.testing.assert_array_equal(back.inverse_depth, grid)
    np.testing.assert_array_equal(back.confidence, grid)
    back.inverse_depth[0, 0] = 1  # torch refuses arrays that cannot be written to


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_schema_alone_decodes_elsewhere(cls: type) -> None:
    name, data = codec.schema(cls)
    assert name == f"drone.{cls.__name__}"
    files = descriptor_pb2.FileDescriptorSet.FromString(data).file
    pool = descriptor_pool.DescriptorPool()
    for file in files:
        pool.Add(file)
    described = pool.FindMessageTypeByName(name)
    fields = [f.name for f in dataclasses.fields(cls)]
    assert [f.name for f in described.fields] == fields
    assert [f.number for f in described.fields] == list(range(1, len(fields) + 1))


def test_a_foreign_reader_sees_the_values() -> None:
    name, data = codec.schema(Decision)
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(data).file:
        pool.Add(file)
    foreign = message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
    seen = foreign.FromString(codec.encode(decision()))
    assert (seen.seq, seen.mode, seen.obstacle_m, seen.limited) == (7, "mono", 1.5, "speed")
    assert seen.command.forward_mps == 0.5
    assert math.isnan(seen.trust.tpr)
    assert not seen.trust.held
    assert seen.trust.HasField("held")


def test_a_grid_has_the_shape_foreign_readers_expect() -> None:
    files = descriptor_pb2.FileDescriptorSet.FromString(codec.schema(MonoEstimate)[1]).file
    grid = next(m for m in files[0].message_type if m.name == "Grid")
    assert [(f.name, f.number) for f in grid.field] == [("rows", 1), ("cols", 2), ("data", 3)]


def test_docstrings_travel_in_the_schema() -> None:
    files = descriptor_pb2.FileDescriptorSet.FromString(codec.schema(VehicleState)[1]).file
    comments = {tuple(c.path): c.leading_comments for c in files[0].source_code_info.location}
    assert "never the truth" in comments[(4, 0)]
    assert "NED" in comments[(4, 0, 2, 3)]


# Evolution


@dataclass(frozen=True)
class Inner:
    seq: int


@dataclass(frozen=True)
class Old:
    seq: int
    name: str


@dataclass(frozen=True)
class New:
    seq: int
    name: str
    gain: float = 0.5
    place: tuple[float, float] = (math.nan, 2.0)
    inner: Inner | None = None
    items: tuple[Inner, ...] = ()
    kind: Mode = Mode.HOLD
    trust: TrustReport = dataclasses.field(default_factory=TrustReport)


def test_fields_that_an_older_writer_lacked_take_their_defaults() -> None:
    assert bits(codec.decode(New, codec.encode(Old(3, "x")))) == bits(New(3, "x"))


def test_fields_of_a_newer_writer_are_ignored() -> None:
    new = New(3, "x", 1.0, (1.0, 2.0), Inner(1), (Inner(2),), Mode.LAND, TrustReport(True))
    assert codec.decode(Old, codec.encode(new)) == Old(3, "x")


def test_zero_and_missing_differ() -> None:
    assert codec.decode(New, codec.encode(New(0, "", 0.0))).gain == 0.0


def test_a_missing_field_without_default_is_named() -> None:
    with pytest.raises(codec.CodecError, match=r"Old\.name: missing"):
        codec.decode(Old, codec.encode(Inner(1)))


def test_a_nested_missing_field_is_named_with_its_path() -> None:
    @dataclass(frozen=True)
    class Outer:
        inner: Old

    @dataclass(frozen=True)
    class OuterBefore:
        inner: Inner

    # Classes local to a test resolve only through the names that get_type_hints can see.
    Outer.__annotations__ = {"inner": Old}
    OuterBefore.__annotations__ = {"inner": Inner}
    with pytest.raises(codec.CodecError, match=r"Outer\.inner\.name: missing"):
        codec.decode(Outer, codec.encode(OuterBefore(Inner(1))))


def test_an_unknown_enum_value_names_the_known_ones() -> None:
    @dataclass(frozen=True)
    class Kinds:
        kind: str

    @dataclass(frozen=True)
    class Modes:
        kind: Mode

    Kinds.__annotations__, Modes.__annotations__ = {"kind": str}, {"kind": Mode}
    with pytest.raises(codec.CodecError, match="'warp' is none of stereo, training_wheels"):
        codec.decode(Modes, codec.encode(Kinds("warp")))


# What does not fit


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seq": 2**63}, "seq"),
        ({"seq": "one"}, "seq"),
        ({"seq": None}, "seq"),
        ({"obstacle_m": None}, "obstacle_m"),
        ({"reason": "\ud800"}, "reason"),
        ({"trust": None}, r"Decision\.trust\.held"),
        ({"command": 3}, r"Decision\.command\.seq"),
    ],
)
def test_a_value_that_does_not_fit_is_named(change: dict[str, typing.Any], named: str) -> None:
    with pytest.raises(codec.CodecError, match=named):
        codec.encode(dataclasses.replace(decision(), **change))


@pytest.mark.parametrize("grid", [np.zeros((2, 2)), np.zeros(4, np.float32), [[1.0]]])
def test_a_grid_of_another_type_is_refused(grid: typing.Any) -> None:
    good = np.zeros((2, 2), np.float32)
    label = DistanceLabel(1, 2, True, "", good, good, 1.0, (), 1.0, 0.5)
    with pytest.raises(
        codec.CodecError, match=r"DistanceLabel\.inverse_depth: expected a \(rows, cols\)"
    ):
        codec.encode(dataclasses.replace(label, inverse_depth=grid))


def test_a_vector_of_another_length_is_refused() -> None:
    event = FlightEvent(0, 0, True, "", "", (1.0, 2.0))  # type: ignore[arg-type]
    with pytest.raises(codec.CodecError, match="position_m: expected 3 values, found 2"):
        codec.encode(event)


@given(st.binary(max_size=200))
def test_garbage_raises_nothing_but_its_own_error(data: bytes) -> None:
    for cls in (Decision, DistanceLabel, ModelVersion):
        try:
            codec.decode(cls, data)
        except codec.CodecError:
            continue


@pytest.mark.parametrize(
    ("hint", "default", "match"),
    [
        (dict, dataclasses.MISSING, "no protobuf counterpart"),
        (int | str, dataclasses.MISSING, "no protobuf counterpart"),
        (tuple[int, float], dataclasses.MISSING, "must hold one type"),
        (tuple[int, ...] | None, None, "None and an empty tuple"),
        (tuple[int, ...], (1,), "must be empty"),
        (int | None, 3, "must be None"),
        (np.ndarray, dataclasses.MISSING, "no protobuf counterpart"),
    ],
)
def test_a_field_that_could_not_come_back_is_refused(
    hint: typing.Any, default: typing.Any, match: str
) -> None:
    cls = dataclasses.make_dataclass("Odd", [("odd", hint, dataclasses.field(default=default))])
    with pytest.raises(TypeError, match=match):
        codec.schema(cls)


def test_a_class_that_is_no_message_is_refused() -> None:
    with pytest.raises(TypeError, match="not a dataclass"):
        codec.schema(int)


def test_speed_of_a_decision() -> None:
    """Goal: 60 us each; the bound here leaves room for a busy machine."""
    message = decision()
    data = codec.encode(message)
    encode_s = min(timeit.repeat(lambda: codec.encode(message), number=200, repeat=5)) / 200
    decode_s = min(timeit.repeat(lambda: codec.decode(Decision, data), number=200, repeat=5)) / 200
    assert encode_s < 250e-6
    assert decode_s < 250e-6
