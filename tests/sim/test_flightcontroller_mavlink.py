from __future__ import annotations

import math
import random
import struct
from pathlib import Path

import pytest
from mavlinkpeer import LIMITS, Peer, check_valid
from pymavlink import mavutil
from pymavlink.dialects.v20 import common as mavlink
from standin_flight import Failing

from drone.sim.flightcontroller import _HANDLERS
from drone.sim.flightcontroller_ardupilot import ARDUPILOT
from drone.sim.flightcontroller_manners import ACCEPTED, UNSUPPORTED, Manner, Rules
from drone.sim.flightcontroller_px4 import PX4
from drone.sim.flightcontroller_telemetry import IDS, TELEMETRY
from drone.sim.flightcontroller_transmitter import PERMIT, Transmitter

MANNERS = pytest.mark.parametrize("manner", [ARDUPILOT, PX4], ids=lambda m: m.name)
KEY, OTHER = bytes(range(32)), bytes(range(1, 33))


def kinds(messages: list[object]) -> list[str]:
    return [message.get_type() for message in messages]  # type: ignore[attr-defined]


def test_mode_numbers_are_those_that_pymavlink_knows() -> None:
    copter = mavutil.mode_mapping_acm
    assert {m.name: m.custom for m in ARDUPILOT.modes}.items() <= {
        name: number for number, name in copter.items()
    }.items()
    short = {"AUTO.TAKEOFF": "TAKEOFF", "AUTO.LOITER": "LOITER", "AUTO.RTL": "RTL"}
    short |= {"AUTO.LAND": "LAND"}
    for mode in PX4.modes:
        name = short.get(mode.name, mode.name)
        _, main, sub = mavutil.px4_map[name]
        assert mode.custom == main << 16 | sub << 24
        assert mavutil.interpret_px4_mode(mode.base, mode.custom) == name


@MANNERS
def test_tables_fit_together(manner: Manner) -> None:
    names = {mode.name for mode in manner.modes}
    rules = Rules.of(manner)
    for mode in (manner.boot_mode, manner.setpoint_mode, manner.takeoff_mode, manner.hold_mode):
        assert mode in names
    for mode in (manner.land_mode, manner.return_mode, manner.manual_mode, manner.after_takeoff):
        assert mode in names
    for table in (manner.setpoint_loss, manner.rc_loss, manner.battery_loss):
        assert set(table.values()) <= names | {""}
    for p in manner.parameters:
        assert p.takes(p.value), p.name
        assert len(p.name) <= 16
    assert len({p.name for p in manner.parameters}) == len(manner.parameters)
    assert all(math.isfinite(rules.knob(k)) or not manner.knobs[k].parameter for k in manner.knobs)
    assert [rules.switched_mode(slot) for slot in range(6)].count("") == 0
    assert set(manner.rates_hz) <= set(TELEMETRY)
    known = sum(bit for bit in mavlink.enums["MAV_PROTOCOL_CAPABILITY"] if bit < 2**20)
    assert manner.capabilities & ~known == 0
    with pytest.raises(ValueError, match="takes no"):
        Rules.of(manner, {"NO_SUCH": 1})


@MANNERS
def test_tells_of_itself_at_its_rates(manner: Manner) -> None:
    peer = Peer(Rules.of(manner))
    told = kinds(peer.run(200))
    for name, hz in manner.rates_hz.items():
        if name != "HOME_POSITION":
            assert told.count(name) == pytest.approx(10 * min(hz, 20), abs=1), name
    assert told.count("HOME_POSITION") == 0, "none before it was armed"


@MANNERS
def test_every_message_in_every_situation_is_valid_by_pymavlinks_dialect(manner: Manner) -> None:
    """What `Peer` hears is parsed back and checked field by field; so is all that can be asked."""
    airframe = Failing()
    peer = Peer(Rules.of(manner), airframe=airframe)
    numbers = [number for number, name in IDS.items() if name not in manner.unknown_messages]
    nothing = {"position_m": (math.nan,) * 3, "velocity_mps": (math.nan,) * 3}
    unknown = {**nothing, "valid": False, "attitude": (math.nan,) * 4}
    far = {"position_m": (9e4, -9e4, -3e3), "velocity_mps": (400.0, -400.0, 99.0)}
    battery = {"battery_share": 0.421, "battery_v": 11.1}
    for changes in ({}, nothing, unknown, far, battery):
        airframe.changes = changes
        peer.run(20)
        for number in numbers:
            peer.command(mavlink.MAV_CMD_REQUEST_MESSAGE, number)
    airframe.changes = {}
    peer.run(20)
    peer.fly()
    for mode in manner.modes:
        peer.mode(mode.name)
        peer.run(30)
        for number in numbers:
            assert peer.command(mavlink.MAV_CMD_REQUEST_MESSAGE, number)[0] == ACCEPTED
    peer.radio = None
    peer.run(200)
    assert {"STATUSTEXT", "HOME_POSITION", *manner.rates_hz} <= set(kinds(peer.heard))


def test_the_check_notices_what_is_not_valid() -> None:
    """Negative control."""
    good = (mavlink.MAV_TYPE_QUADROTOR, mavlink.MAV_AUTOPILOT_PX4, 1, 0, mavlink.MAV_STATE_ACTIVE)
    check_valid(mavlink.MAVLink_heartbeat_message(*good, 3))
    for place, bad in ((0, 77), (1, 99), (2, 256), (3, -1), (4, 50)):
        fields = [*good, 3]
        fields[place] = bad
        with pytest.raises(AssertionError):
            check_valid(mavlink.MAVLink_heartbeat_message(*fields))
    with pytest.raises(AssertionError):
        check_valid(mavlink.MAVLink_attitude_message(0, math.nan, 0, 0, 0, 0, 0))


@MANNERS
def test_heartbeat_tells_type_mode_and_armed(manner: Manner) -> None:
    peer = Peer(Rules.of(manner))
    first = next(m for m in peer.heard if m.get_type() == "HEARTBEAT")
    assert first.type == mavlink.MAV_TYPE_QUADROTOR
    assert first.autopilot == manner.autopilot
    assert not first.base_mode & mavlink.MAV_MODE_FLAG_SAFETY_ARMED
    assert first.system_status == mavlink.MAV_STATE_STANDBY
    peer.fly()
    (last,) = [m for m in peer.run(20) if m.get_type() == "HEARTBEAT"][-1:]
    assert last.base_mode & mavlink.MAV_MODE_FLAG_SAFETY_ARMED
    assert last.custom_mode == manner.mode(manner.setpoint_mode).custom
    assert last.system_status == mavlink.MAV_STATE_ACTIVE
    before = len(peer.heard)
    peer.mode(manner.hold_mode)
    news = kinds(peer.parse(peer.controller.news()))
    assert ("HEARTBEAT" in news) is manner.tells_mode_at_once
    assert before <= len(peer.heard)


@MANNERS
def test_rc_channels_and_their_loss(manner: Manner) -> None:
    peer = Peer(Rules.of(manner))
    peer.radio = Transmitter().having(PERMIT, 1900)
    told = [m for m in peer.run(10) if m.get_type() == "RC_CHANNELS"]
    assert told[-1].chancount == 8
    assert told[-1].chan7_raw == 1900
    assert told[-1].chan9_raw == 65535, "not used"
    peer.radio = None
    told = [m for m in peer.run(20) if m.get_type() == "RC_CHANNELS"]
    if manner.rc_goes_quiet:
        assert not told
    else:
        assert all(m.chancount == 0 and m.chan1_raw == 65535 for m in told)


@MANNERS
def test_positions_agree_with_each_other(manner: Manner) -> None:
    peer = Peer(Rules.of(manner))
    peer.fly()
    for _ in range(60):
        peer.say(peer.setpoint((0.5, -0.25, 0.0)))
        peer.run(1)
    _, (local,) = peer.command(mavlink.MAV_CMD_REQUEST_MESSAGE, 32)
    _, (world,) = peer.command(mavlink.MAV_CMD_REQUEST_MESSAGE, 33)
    _, (home,) = peer.command(mavlink.MAV_CMD_GET_HOME_POSITION)
    north = (world.lat - home.latitude) * 1e-7 * math.radians(1) * 6378137
    east = (world.lon - home.longitude) * 1e-7 * math.radians(1) * 6378137
    east *= math.cos(math.radians(home.latitude * 1e-7))
    assert (north, east) == pytest.approx((local.x, local.y), abs=0.02)
    assert local.x > 1.0
    assert world.relative_alt / 1e3 == pytest.approx(-local.z, abs=0.002)


@MANNERS
def test_what_is_not_known_is_sent_by_who_doubts_and_believed_by_neither(manner: Manner) -> None:
    airframe = Failing()
    peer = Peer(Rules.of(manner), airframe=airframe)
    airframe.changes = {"position_m": (math.nan,) * 3, "velocity_mps": (math.nan,) * 3}
    told = {m.get_type(): m for m in peer.run(40)}
    assert ("LOCAL_POSITION_NED" in told) == manner.doubts
    assert ("ESTIMATOR_STATUS" in told) == manner.doubts
    if manner.doubts:
        assert not told["ESTIMATOR_STATUS"].flags & mavlink.ESTIMATOR_VELOCITY_HORIZ
    airframe.changes = {}
    told = {m.get_type(): m for m in peer.run(40)}
    assert "LOCAL_POSITION_NED" in told
    if manner.doubts:
        assert told["ESTIMATOR_STATUS"].flags & mavlink.ESTIMATOR_VELOCITY_HORIZ


@MANNERS
def test_parameters_are_listed_read_and_set(manner: Manner) -> None:
    peer = Peer(Rules.of(manner))
    listed = peer.say(mavlink.MAVLink_param_request_list_message(1, 1))
    assert [m.param_id for m in listed] == [p.name for p in manner.parameters]
    assert [m.param_index for m in listed] == list(range(len(listed)))
    name = manner.rc_loss_parameter
    parameter = next(p for p in manner.parameters if p.name == name)

    def value(message: object) -> float:
        raw: float = message.param_value  # type: ignore[attr-defined]
        return struct.unpack("<i", struct.pack("<f", raw))[0] if manner.bytewise else raw

    (read,) = peer.say(mavlink.MAVLink_param_request_read_message(1, 1, name.encode(), -1))
    assert (read.param_id, value(read), read.param_type) == (name, 3, parameter.kind)
    (same,) = peer.say(mavlink.MAVLink_param_request_read_message(1, 1, b"", read.param_index))
    assert same.param_id == name

    def set_to(number: int) -> float:
        raw = float(number)
        if manner.bytewise:
            (raw,) = struct.unpack("<f", struct.pack("<i", number))
        message = mavlink.MAVLink_param_set_message(1, 1, name.encode(), raw, parameter.kind)
        (answer,) = peer.say(message)
        return value(answer)

    assert set_to(1) == 1
    assert peer.controller.rules.values[name] == 1
    assert set_to(77) == 1, "what it does not take it keeps, and says so"
    bad = mavlink.MAVLink_param_set_message(1, 1, name.encode(), math.nan, parameter.kind)
    assert value(peer.say(bad)[0]) == 1
    assert not peer.say(mavlink.MAVLink_param_request_read_message(1, 1, b"NONE", -1))
    assert not peer.say(mavlink.MAVLink_param_request_read_message(1, 1, b"", 999))


@MANNERS
def test_message_intervals(manner: Manner) -> None:
    peer = Peer(Rules.of(manner))
    attitude = mavlink.MAVLINK_MSG_ID_ATTITUDE
    set_interval = mavlink.MAV_CMD_SET_MESSAGE_INTERVAL
    for us, expected in ((100_000, 10), (1_000_000, 1), (1000, 20), (-1, 0)):
        assert peer.command(set_interval, attitude, us)[0] == ACCEPTED
        assert kinds(peer.run(20)).count("ATTITUDE") == pytest.approx(expected, abs=1)
        _, (told,) = peer.command(mavlink.MAV_CMD_GET_MESSAGE_INTERVAL, attitude)
        assert told.interval_us == us
    assert peer.command(set_interval, attitude, 0)[0] == ACCEPTED
    usual = min(20, manner.rates_hz["ATTITUDE"])
    assert kinds(peer.run(20)).count("ATTITUDE") == pytest.approx(usual, abs=1)
    for number, us in ((9999, 1000), (attitude, math.nan), (attitude, -2), (math.nan, 1000)):
        assert peer.command(set_interval, number, us)[0] == UNSUPPORTED


@MANNERS
def test_version_and_timesync_and_no_missions(manner: Manner) -> None:
    peer = Peer(Rules.of(manner))
    result, (version,) = peer.command(mavlink.MAV_CMD_REQUEST_MESSAGE, 148)
    assert result == ACCEPTED
    assert version.capabilities == manner.capabilities
    assert version.flight_sw_version >> 8 == int.from_bytes(bytes(manner.version), "big")
    assert bytes(version.flight_custom_version) == b"simulate"
    (sync,) = peer.say(mavlink.MAVLink_timesync_message(0, 123456789))
    assert (sync.tc1, sync.ts1) == (peer.now_ns, 123456789)
    assert not peer.say(mavlink.MAVLink_timesync_message(5, 6)), "somebody else's answer"
    (count,) = peer.say(mavlink.MAVLink_mission_request_list_message(1, 1, 0))
    assert count.count == 0
    (ack,) = peer.say(mavlink.MAVLink_mission_count_message(1, 1, 3, 0))
    assert ack.type == mavlink.MAV_MISSION_UNSUPPORTED
    assert peer.command(mavlink.MAV_CMD_MISSION_START)[0] == UNSUPPORTED


@MANNERS
def test_commands_as_long_and_int_and_the_old_way(manner: Manner) -> None:
    peer = Peer(Rules.of(manner))
    land = manner.mode(manner.land_mode)
    number = mavlink.MAV_CMD_NAV_LAND
    (ack,) = peer.say(
        mavlink.MAVLink_command_int_message(1, 1, 6, number, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    )
    assert ack.result == ACCEPTED
    assert (ack.target_system, ack.target_component) == (1, 196)
    assert peer.controller.state.mode == manner.land_mode
    hold = manner.mode(manner.hold_mode)
    assert not peer.say(mavlink.MAVLink_set_mode_message(1, 1, hold.custom))
    assert peer.controller.state.mode == manner.hold_mode
    assert peer.mode(land.name) == ACCEPTED
    for params in ((1, 9999), (1, math.nan), (1, -4), (0, land.custom), (math.inf, 1)):
        assert peer.command(mavlink.MAV_CMD_DO_SET_MODE, *params)[0] == manner.unknown_mode
    assert peer.command(mavlink.MAV_CMD_COMPONENT_ARM_DISARM, 7)[0] == UNSUPPORTED
    assert peer.command(mavlink.MAV_CMD_NAV_RETURN_TO_LAUNCH)[0] == ACCEPTED
    assert peer.controller.state.mode == manner.return_mode


@MANNERS
def test_setpoints_in_the_frames_that_the_manner_takes(manner: Manner) -> None:
    peer = Peer(Rules.of(manner))
    peer.fly()
    yaw_only = 0b101111000111
    for _ in range(60):
        peer.say(peer.setpoint(mask=yaw_only & ~1024, turn=(math.pi / 2, 0.0)))
        peer.run(1)
    for _ in range(40):
        peer.say(peer.setpoint((0.5, 0.0, 0.0), frame=mavlink.MAV_FRAME_BODY_NED))
        peer.run(1)
    assert peer.vehicle.velocity_mps == pytest.approx((0, 0.5, 0), abs=0.05), "forward is east"
    state = peer.controller.state
    peer.say(peer.setpoint((0.5, 0, 0), frame=mavlink.MAV_FRAME_BODY_OFFSET_NED))
    taken = peer.controller.state.setpoint
    assert taken is not None
    if manner is PX4:
        assert taken == state.setpoint, "passed over"
    else:
        assert taken.velocity_mps == pytest.approx((0, 0.5, 0), abs=0.02)


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e30])
@MANNERS
def test_setpoints_that_say_nothing_move_nothing(manner: Manner, bad: float) -> None:
    peer = Peer(Rules.of(manner))
    peer.fly()
    for message in (
        peer.setpoint((bad, 0, 0)),
        peer.setpoint((0.5, 0, 0), turn=(0.0, bad)),
        peer.setpoint((0.5, 0, 0), frame=mavlink.MAV_FRAME_GLOBAL),
        peer.setpoint((0.5, 0, 0), mask=0b111111111111),
        peer.setpoint((0.5, 0, 0), mask=0b011000000111),
        peer.setpoint((0.5, 0, 0), target=(2, 1)),
        peer.setpoint((0.5, 0, 0), target=(1, 50)),
    ):
        for _ in range(3):
            peer.say(message)
            peer.run(1)
        assert math.hypot(*peer.vehicle.velocity_mps) < 0.02, message


@MANNERS
def test_garbage_does_nothing_and_spoils_nothing(manner: Manner) -> None:
    """Random bytes, cut and altered messages; between them every good one is heard."""
    peer, chance = Peer(Rules.of(manner)), random.Random(1)
    arm = peer.packed(mavlink.MAVLink_command_long_message(1, 1, 400, 0, 1, 0, 0, 0, 0, 0, 0))
    answered = 0
    for _ in range(300):
        noise = chance.randbytes(chance.randrange(1, 300))
        altered = bytearray(arm)
        altered[chance.randrange(len(arm))] ^= 1 << chance.randrange(8)
        cut = arm[: chance.randrange(len(arm))]
        magic = bytes([0xFD, chance.randrange(256), 0]) + noise
        for datagram in (noise, bytes(altered), cut, magic):
            assert not peer.controller.hear(peer.now_ns, datagram) or datagram == arm
            assert not peer.controller.state.armed
        ping = mavlink.MAVLink_timesync_message(0, 7)
        answered += len(peer.say(ping))
    assert answered == 300


@MANNERS
def test_well_formed_nonsense_does_not_stop_it(manner: Manner) -> None:
    """Every message that it listens to, with any bytes for fields, some of them the right ids."""
    peer, chance = Peer(Rules.of(manner)), random.Random(2)
    floats = (math.nan, math.inf, -1e38, 0.0, 1.0, 21196.0)
    numbers = (0, 1, 6, 11, 17, 20, 21, 22, 30, 176, 185, 400, 410, 510, 511, 512, 520)
    for round_number in range(150):
        for name in _HANDLERS:
            kind = getattr(mavlink, f"MAVLink_{name.lower()}_message")
            fields = []
            for field, type_name in zip(kind.fieldnames, kind.fieldtypes, strict=True):
                value: object = chance.choice(floats)
                if type_name == "char":
                    value = chance.choice([b"", b"COM_OF_LOSS_T", chance.randbytes(16)])
                elif type_name in LIMITS:
                    value = chance.choice([*LIMITS[type_name], 0, 1])
                if field.startswith("target") or field == "command":
                    value = 1 if field != "command" else chance.choice(numbers)
                fields.append(value)
            # An answer repeats what was asked, and that is nonsense here: only its kind is checked.
            for answer in peer.controller.hear(peer.now_ns, peer.packed(kind(*fields))):
                (heard,) = peer.ear.parse_buffer(answer) or ()
                assert heard.get_type() in {*TELEMETRY, *_ANSWERS}
        peer.run(1 + round_number % 2)


_ANSWERS = {"COMMAND_ACK", "PARAM_VALUE", "TIMESYNC", "MESSAGE_INTERVAL"}
_ANSWERS |= {"MISSION_COUNT", "MISSION_ACK"}


@MANNERS
def test_unknown_messages_and_those_for_others_do_nothing(manner: Manner) -> None:
    peer = Peer(Rules.of(manner))
    arm = mavlink.MAVLink_command_long_message(1, 1, 400, 0, 1, 0, 0, 0, 0, 0, 0)
    unknown = bytearray(peer.packed(arm))
    unknown[7:10] = (65530).to_bytes(3, "little")
    before = peer.controller.heard
    assert not peer.controller.hear(peer.now_ns, bytes(unknown))
    assert peer.controller.heard == before, "nor does it count as a live link"
    for target in ((2, 1), (1, 154), (9, 9)):
        assert not peer.say(
            mavlink.MAVLink_command_long_message(*target, 400, 0, 1, 0, 0, 0, 0, 0, 0)
        )
    assert not peer.controller.state.armed
    assert peer.say(arm)[0].result == ACCEPTED


@pytest.mark.parametrize(
    ("keys", "heard"),
    [((None, None), True), ((KEY, KEY), True), ((KEY, None), False), ((KEY, OTHER), False)],
)
def test_signing(keys: tuple[bytes | None, bytes | None], heard: bool) -> None:
    peer = Peer(Rules.of(PX4), keys=(keys[0], keys[0]))
    peer.mav.signing.secret_key = keys[1]
    peer.mav.signing.sign_outgoing = keys[1] is not None
    message = mavlink.MAVLink_command_long_message(1, 1, 400, 0, 1, 0, 0, 0, 0, 0, 0)
    datagram = peer.packed(message)
    assert bool(peer.controller.hear(peer.now_ns, datagram)) is heard
    assert peer.controller.state.armed is heard
    assert all(m.get_signed() is (keys[0] is not None) for m in peer.run(20))
    if keys[1] is not None:
        assert not peer.controller.hear(peer.now_ns, datagram), "replayed"


def test_a_forged_timestamp_shuts_nobody_out() -> None:
    peer = Peer(Rules.of(PX4), keys=(KEY, KEY))
    sync = mavlink.MAVLink_timesync_message(0, 7)
    assert peer.say(sync)
    forged = bytearray(peer.packed(sync))
    forged[-12:-6] = b"\xff" * 6
    assert not peer.controller.hear(peer.now_ns, bytes(forged))
    assert peer.say(sync)


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Peer(Rules.of(PX4), keys=(b"short", None))


@MANNERS
def test_the_table_of_modes_in_the_docs_is_true(manner: Manner) -> None:
    docs = Path(__file__).parents[2] / "docs" / "simulator.md"
    lines = docs.read_text().splitlines()
    for mode in manner.modes:
        armable = "yes" if mode.arms else "no"
        row = f"| {mode.name} | {mode.custom} | {mode.base} | {armable} | {mode.flies.value} |"
        assert row in lines
