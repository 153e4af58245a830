"""The link's MAVLink, against pymavlink on the other side of a real UDP socket."""

import functools
import math
import operator
import time
from dataclasses import replace

import pytest
from mavpeer import CENTRE, GUIDED, HIGH, Peer, free_port
from pymavlink.dialects.v20 import common as dialect

from drone.clock import ns_from_s, s_from_ns
from drone.config.autopilot import AutopilotConfig
from drone.onboard import linkheard
from drone.onboard.autopilot import Autopilot
from drone.onboard.linkfacts import Ground
from drone.onboard.linkmessages import COMMANDS, OWN_COMPONENT, READ, SENT
from drone.onboard.manners import ARDUPILOT, MANNERS, MULTICOPTERS, Order
from drone.onboard.mavports import Chunk, open_port
from drone.onboard.obstaclemap import View
from drone.onboard.setpoints import Setpoint
from drone.onboard.timesync import Answer, ClockSync

KEY, OTHER_KEY = bytes(range(32)), bytes(32)
RING = tuple([120] * 5 + [601] * 10 + [65535] * 57)
VIEW = View((-0.5, 0.5), 20, 600)


class Line:
    """A link on one side, a peer on the other."""

    def __init__(self, key=None, timestamp=10**12, **config):
        port = free_port()
        self.config = AutopilotConfig(url=f"udpin://127.0.0.1:{port}", **config)
        self.port = open_port(self.config.address)
        self.link = Autopilot(self.config, self.port, key, timestamp)
        self.peer = Peer(port, key=key)
        self.peers = [self.peer]
        self.now_ns = ns_from_s(1000)

    def another(self, **fields):
        self.peers.append(Peer(self.peer.port, **fields))
        return self.peers[-1]

    def take(self, step_s=0.1):
        """Let what was sent arrive; return the names of what was acted on."""
        time.sleep(0.002)
        self.now_ns += ns_from_s(step_s)
        return [n for chunk in self.port.read() for n in self.link.take(chunk, self.now_ns)]

    def close(self):
        self.port.close()
        for peer in self.peers:
            peer.close()


@pytest.fixture
def make():
    lines = []

    def line(**fields):
        lines.append(Line(**fields))
        return lines[-1]

    yield line
    for one in lines:
        one.close()


def test_what_an_autopilot_says_becomes_facts(make):
    line = make()
    line.peer.switch, line.peer.stick = HIGH, 1700
    line.peer.send(*line.peer.everything())
    line.peer.send(line.peer.attitude(yaw=math.pi / 2))
    line.take()
    heard = line.link.heard
    assert line.link.system == 1
    assert heard.heartbeat.manner is ARDUPILOT
    assert (heard.heartbeat.custom_mode, heard.heartbeat.armed) == (GUIDED, True)
    assert heard.channels.pulse_us(7) == HIGH
    assert heard.channels.pulse_us(2) == 1700
    assert heard.channels.pulse_us(1) == CENTRE
    assert heard.channels.pulse_us(9) == 0
    assert heard.ground is Ground.IN_AIR
    assert not heard.rc_lost
    assert heard.home_m == (0.0, 0.0, 0.0)
    vehicle = heard.vehicle
    assert vehicle.valid
    assert vehicle.position_m == (0.0, 0.0, -1.0)
    assert vehicle.velocity_mps == pytest.approx((0.1, 0.2, 0.0))
    assert vehicle.attitude == pytest.approx((math.sqrt(0.5), 0, 0, math.sqrt(0.5)))
    assert (vehicle.battery_share, vehicle.battery_v) == (0.8, 11.1)
    assert vehicle.stamp_ns == line.now_ns
    assert line.link.is_connected(line.now_ns)


def test_home_on_the_globe_alone_has_its_place_in_the_local_frame(make):
    line = make()
    line.peer.send(line.peer.heartbeat(), line.peer.home(12.0, -7.0, -1.5))
    line.take()
    assert line.link.heard.home_m is None, "where is the origin?"
    line.peer.send(line.peer.origin())
    line.take()
    assert line.link.heard.home_m == pytest.approx((12.0, -7.0, -1.5), abs=0.02)


def test_home_of_px4_is_where_it_says(make):
    line = make()
    line.peer.kind = 12
    line.peer.send(line.peer.heartbeat(), line.peer.origin(), line.peer.home(12.0, -7.0, -1.5))
    line.take()
    assert line.link.heard.home_m == (12.0, -7.0, -1.5)


def test_a_position_that_px4_does_not_believe_is_no_valid_state(make):
    line = make()
    line.peer.kind = 12
    peer = line.peer

    def valid(*messages, **late):
        peer.send(*messages, peer.position(), peer.attitude())
        line.take(**late)
        return line.link.heard.vehicle.valid

    assert not valid(peer.heartbeat()), "nothing was said of it yet"
    assert valid(peer.estimator())
    assert not valid(peer.estimator(dialect.ESTIMATOR_ATTITUDE | dialect.ESTIMATOR_CONST_POS_MODE))
    assert all(map(math.isnan, line.link.heard.vehicle.velocity_mps))
    assert valid(peer.estimator())
    assert not valid(peer.heartbeat(), step_s=linkheard.BELIEF_S + 0.1), "it says nothing any more"


def test_an_attitude_without_a_position_of_just_now_is_no_valid_state(make):
    line = make()
    line.peer.send(line.peer.heartbeat(), line.peer.position())
    line.take()
    line.peer.send(line.peer.attitude())
    line.take(step_s=1.0)
    vehicle = line.link.heard.vehicle
    assert not vehicle.valid
    assert all(map(math.isnan, vehicle.position_m))


@pytest.mark.parametrize("field", ["x", "vz"])
def test_a_position_that_is_no_number_is_no_valid_state(make, field):
    line = make()
    position = line.peer.position()
    setattr(position, field, math.nan)
    line.peer.send(line.peer.heartbeat(), position, line.peer.attitude())
    line.take()
    assert not line.link.heard.vehicle.valid


def test_an_unknown_battery_is_unknown(make):
    line = make()
    battery = dialect.MAVLink_sys_status_message(0, 0, 0, 0, 65535, -1, -1, 0, 0, 0, 0, 0, 0)
    line.peer.send(line.peer.heartbeat(), battery, line.peer.attitude())
    line.take()
    assert math.isnan(line.link.heard.vehicle.battery_share)
    assert math.isnan(line.link.heard.vehicle.battery_v)


def test_stamps_are_in_our_clock_once_clocks_are_known(make):
    line = make()
    line.peer.send(line.peer.heartbeat(), line.peer.position())
    line.take()
    line.link.ask_clock(line.now_ns)
    time.sleep(0.002)
    line.peer.drain()
    line.take(step_s=0.002)
    offset_ns = line.link.heard.clock.offset_ns
    late = line.peer.attitude()
    place = line.peer.position()
    late.time_boot_ms = place.time_boot_ms = (line.now_ns + offset_ns) // 1_000_000
    line.peer.send(place, late)
    line.take(step_s=0.2)
    assert line.link.heard.vehicle.stamp_ns == pytest.approx(
        line.now_ns - ns_from_s(0.2), abs=1_100_000
    )


def test_old_states_stay_old_and_an_autopilot_that_began_anew_is_heard(make):
    line = make()
    line.peer.send(line.peer.heartbeat())
    line.take()
    line.link.heard.clock = ClockSync((Answer(0, 0),))  # theirs is ours
    boot_ns = 0

    def age_s(lag_s, step_s=0.05):
        line.peer.boot_ms = lambda: (line.now_ns - boot_ns + ns_from_s(step_s - lag_s)) // 1_000_000
        line.peer.send(line.peer.position(), line.peer.attitude())
        line.take(step_s=step_s)
        return s_from_ns(line.now_ns - line.link.heard.vehicle.stamp_ns)

    for lag_s in (0.0, 0.1, 0.4, 0.8, 1.2, 2.0, 2.0, 2.0):
        assert age_s(lag_s) == pytest.approx(lag_s, abs=0.002)
    assert line.link.heard.clock.answers
    boot_ns = line.now_ns - ns_from_s(5)
    age_s(0.0)
    assert not line.link.heard.vehicle.valid, "its position is the first of the new stamps"
    assert not line.link.heard.clock.answers
    assert [age_s(0.0), age_s(0.0)] == [0.0, 0.0], "as it arrives"
    line.link.heard.clock = ClockSync((Answer(0, -boot_ns),))
    assert age_s(0.0) == pytest.approx(0.0, abs=0.002)
    assert age_s(0.8) == pytest.approx(0.8, abs=0.002)


def test_an_attitude_that_stands_still_beside_a_position_that_goes_on_is_old(make):
    line = make()
    line.peer.send(line.peer.heartbeat())
    line.take()
    line.link.heard.clock = ClockSync((Answer(0, 0),))
    line.peer.boot_ms = lambda: line.now_ns // 1_000_000
    stuck = line.peer.attitude()
    for _ in range(30):
        line.peer.send(line.peer.position(), stuck)
        line.take()
    assert line.now_ns - line.link.heard.vehicle.stamp_ns > ns_from_s(2.9)


@pytest.mark.parametrize("hz", [30, 4])
def test_a_state_is_as_old_as_the_older_of_its_parts(make, hz):
    line = make()
    line.peer.send(line.peer.heartbeat())
    line.take()
    line.peer.boot_ms = lambda: line.now_ns // 1_000_000  # without a clock it would be the arrival
    line.link.heard.clock = ClockSync((Answer(0, 0),))
    stamps = []
    for turn in range(30):  # attitudes at 30 Hz, on their way for 20 ms
        if turn % round(30 / hz) == 0:
            line.peer.send(line.peer.position())
            at_ns = line.now_ns
        line.peer.send(line.peer.attitude())
        line.take(step_s=0.02)
        vehicle = line.link.heard.vehicle
        assert vehicle.valid
        assert vehicle.stamp_ns == pytest.approx(at_ns, abs=1_000_000)
        assert line.now_ns - vehicle.stamp_ns < ns_from_s(line.config.stale_s)
        stamps.append(vehicle.stamp_ns)
        line.now_ns += ns_from_s(1 / 30 - 0.02)
    assert stamps == sorted(stamps)


def test_a_question_about_our_clock_is_answered(make):
    line = make()
    line.peer.send(line.peer.heartbeat(), dialect.MAVLink_timesync_message(0, 4711))
    line.take()
    time.sleep(0.002)
    line.peer.drain()
    (_, answer) = line.peer.came["TIMESYNC"][-1]
    assert (answer.tc1, answer.ts1) == (line.now_ns, 4711)


# Who is heard


def test_only_the_autopilots_component_counts(make):
    line = make()
    camera = line.another(component=100)
    station = line.another(system=255, component=190)
    camera.send(camera.heartbeat(), camera.rc())
    beat = station.heartbeat()
    beat.autopilot, beat.type = dialect.MAV_AUTOPILOT_INVALID, dialect.MAV_TYPE_GCS
    station.send(beat)
    assert line.take() == []
    assert line.link.system == 0
    assert "no autopilot's heartbeat" in line.link.diagnosis()


def test_another_system_id_is_not_heard_and_the_error_names_it(make):
    line = make(system_id=2)
    line.peer.send(*line.peer.everything())
    assert line.take() == []
    assert "no autopilot with system id 2; heard: 1" in line.link.diagnosis()
    right = line.another(system=2)
    right.send(right.heartbeat())
    assert line.take() == ["HEARTBEAT"]
    assert not line.link.rivals(line.now_ns)


def test_two_autopilots_are_told_and_the_first_stays(make):
    line = make()
    other = line.another(system=3)
    line.peer.send(line.peer.heartbeat())
    line.take()
    other.send(other.heartbeat(), other.rc())
    assert line.take() == []
    assert "system ids 1 and 3" in line.link.rivals(line.now_ns)
    line.peer.send(line.peer.heartbeat())
    line.take(step_s=4.0)
    assert line.link.rivals(line.now_ns) == ""


def test_two_autopilots_with_one_system_id_are_told(make):
    line = make()
    twin = line.another()
    for peer in (line.peer, twin):
        peer.send(peer.heartbeat())
        line.take()
    assert "same system id 1" in line.link.rivals(line.now_ns)
    twin.switch = HIGH
    twin.send(twin.rc())
    assert line.take() == []


def test_an_autopilot_that_went_is_replaced_by_the_one_that_came(make):
    line = make()
    line.peer.send(*line.peer.everything())
    line.take()
    other = line.another(system=3)
    other.send(other.heartbeat())
    line.take(step_s=4.0)
    assert line.link.system == 3
    assert line.link.heard.vehicle is None


def test_garbage_on_the_line_costs_no_message(make):
    line = make()
    for turn in range(200):
        line.peer.raw(bytes([0xFD, turn, 0, 0, turn]) + bytes(turn))
        line.peer.raw(bytes([0xFD, 9, 0]) + line.peer.bytes_of(line.peer.heartbeat()))
        line.peer.send(line.peer.heartbeat())
        assert line.take() == ["HEARTBEAT"] * 2


def test_an_unknown_message_keeps_no_link_alive(make):
    line = make()
    line.peer.send(line.peer.heartbeat())
    line.take()
    for _ in range(5):
        line.peer.raw(bytes([0xFD, 1, 0, 0, 0, 1, 1, 0xFF, 0xFF, 0x0F, 0, 0, 0]))
        assert line.take(step_s=1.0) == []
    assert not line.link.is_connected(line.now_ns)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "nothing comes at all"),
        (b"\x00\x81" * 20, "40 bytes, and no message in them"),
        (b"\x00\x81" * 400, "what comes is not MAVLink"),
    ],
)
def test_silence_and_noise_are_told_apart(make, data, words):
    line = make()
    if data:
        line.peer.raw(data)
    line.take()
    assert words in line.link.diagnosis()


# Signing


def signed_line(make, **fields):
    return make(key=KEY, signing_key="key", **fields)


def test_signed_messages_are_heard_and_what_is_sent_is_signed(make):
    line = signed_line(make)
    line.peer.send(line.peer.heartbeat())
    assert line.take() == ["HEARTBEAT"]
    before = line.link.timestamp
    line.link.send_heartbeat()
    assert line.link.timestamp == before + 1
    time.sleep(0.002)
    line.peer.drain()
    assert [m.get_signed() for _, m in line.peer.came["HEARTBEAT"]] == [True]
    assert not line.peer.bad


def test_an_autopilot_whose_timestamp_is_behind_is_heard_once_it_has_heard_ours(make):
    line = signed_line(make, timestamp=10**13)
    line.peer.send(line.peer.heartbeat())
    assert line.take() == []
    line.link.send_heartbeat()
    time.sleep(0.002)
    line.peer.drain()
    line.peer.send(line.peer.heartbeat())
    assert line.take() == ["HEARTBEAT"]


@pytest.mark.parametrize("key", [None, OTHER_KEY])
def test_unsigned_and_wrongly_signed_messages_are_not_heard_and_told(make, key):
    line = signed_line(make)
    foreign = line.another(key=key)
    foreign.send(*foreign.everything())
    assert line.take() == []
    assert "without the right signature" in line.link.diagnosis()


def test_mavlink_1_is_not_heard_where_signatures_are_asked_for(make):
    line = signed_line(make)
    foreign = line.another()
    foreign.raw(foreign.heartbeat().pack(foreign.codec, force_mavlink1=True))
    assert line.take() == []


def test_a_message_that_is_played_again_is_not_heard(make):
    line = signed_line(make)
    data = line.peer.bytes_of(line.peer.heartbeat())
    line.peer.raw(data)
    assert line.take() == ["HEARTBEAT"]
    line.peer.raw(data)
    assert line.take() == []


def test_a_forged_timestamp_does_not_shut_the_true_autopilot_out(make):
    line = signed_line(make)
    line.peer.send(line.peer.heartbeat())
    line.take()
    forger = line.another(key=OTHER_KEY)
    forger.codec.signing.timestamp = 2**47
    forger.send(forger.heartbeat())
    assert line.take() == []
    line.peer.send(line.peer.heartbeat())
    assert line.take() == ["HEARTBEAT"]


# What is sent


def everything_sent(line):
    """Send one of each, and return what arrived."""
    link, now_ns = line.link, line.now_ns
    link.send_heartbeat()
    link.send_setpoint(Setpoint(0.5, -0.25, 0.1, 0.3), now_ns)
    for manner in MANNERS.values():
        for order in Order:
            link.send_order(order, manner)
    link.send_text(4, "drone: a text — longer than the fifty bytes that a STATUSTEXT takes")
    link.send_obstacles(RING, VIEW, now_ns)
    link.ask_clock(now_ns)
    link.ask_messages(now_ns)
    link.ask_parameter("MAV_SYS_ID")
    link.ask_version()
    time.sleep(0.01)
    line.peer.drain()
    assert not line.peer.bad
    return [m for several in line.peer.came.values() for _, m in several]


def problems(message):
    """Return which fields hold what their definition does not know."""
    found = []
    for name, enum in message.fieldenums_by_name.items():
        value, entries = getattr(message, name), dialect.enums[enum]
        if message.fielddisplays_by_name.get(name) == "bitmask":
            bits = [n for n, entry in entries.items() if not entry.name.endswith("_ENUM_END")]
            known = functools.reduce(operator.or_, bits)
            found += [name] if value & ~known else []
        elif value not in entries:
            found.append(name)
    floats = zip(message.fieldnames, message.fieldtypes, strict=True)
    for name, kind in floats:
        if kind == "float" and not math.isfinite(getattr(message, name)):
            found.append(name)
    return found


def test_the_dialect_validates_every_message_that_is_sent(make):
    line = make()
    line.peer.send(line.peer.heartbeat())
    line.take()
    sent = everything_sent(line)
    assert {(m.get_type(), m.get_msgId()) for m in sent} == {(s.name, s.number) for s in SENT}
    for message in sent:
        assert problems(message) == [], message
        assert (message.get_srcSystem(), message.get_srcComponent()) == (1, OWN_COMPONENT)
        assert message.get_msgbuf()[0] == 0xFD
        if hasattr(message, "target_system"):
            assert (message.target_system, message.target_component) == (1, 1)
    commands = {
        dialect.enums["MAV_CMD"][m.command].name for m in sent if m.get_type() == "COMMAND_LONG"
    }
    assert commands == set(COMMANDS)


def test_the_check_of_messages_finds_wrong_ones():
    good = dialect.MAVLink_heartbeat_message(18, 8, 0, 0, 4, 3)
    assert problems(good) == []
    wrong = dialect.MAVLink_heartbeat_message(250, 99, 0, 0, 4, 3)
    assert problems(wrong) == ["type", "autopilot"]


def test_a_set_point_is_velocity_and_yaw_rate_in_local_ned(make):
    line = make()
    line.peer.send(line.peer.heartbeat())
    line.take()
    everything_sent(line)
    (_, message) = line.peer.came["SET_POSITION_TARGET_LOCAL_NED"][0]
    assert (message.vx, message.vy, message.vz) == pytest.approx((0.5, -0.25, 0.1))
    assert message.yaw_rate == pytest.approx(0.3)
    assert message.coordinate_frame == dialect.MAV_FRAME_LOCAL_NED
    assert message.type_mask == 0b0101_1100_0111  # used: velocity (8, 16, 32), yaw rate (2048)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_no_number_that_is_none_is_ever_sent(make, bad):
    line = make()
    with pytest.raises(ValueError, match="is not finite"):
        line.link.send_setpoint(Setpoint(0.0, bad, 0.0, 0.0), line.now_ns)


def test_orders_name_the_autopilots_own_modes(make):
    line = make()
    line.peer.send(line.peer.heartbeat())
    line.take()
    everything_sent(line)
    orders = [
        (m.param1, m.param2, m.param3)
        for _, m in line.peer.came["COMMAND_LONG"]
        if m.command == dialect.MAV_CMD_DO_SET_MODE
    ]
    assert orders == [(1, 9, 0), (1, 6, 0), (1, 4, 6), (1, 4, 5)]  # ArduPilot, then PX4


def test_obstacles_and_texts_arrive_as_they_are(make):
    line = make()
    line.peer.send(line.peer.heartbeat())
    line.take()
    everything_sent(line)
    (_, obstacles) = line.peer.came["OBSTACLE_DISTANCE"][0]
    assert tuple(obstacles.distances) == RING
    assert (obstacles.increment, obstacles.min_distance, obstacles.max_distance) == (5, 20, 600)
    assert obstacles.frame == dialect.MAV_FRAME_BODY_FRD
    (_, text) = line.peer.came["STATUSTEXT"][0]
    assert text.text == "drone: a text ? longer than the fifty bytes that a"


def test_what_is_read_is_asked_for_at_its_rate_until_it_comes(make):
    line = make()
    line.peer.send(line.peer.heartbeat())
    line.take()
    wanted = {r.number: 1e6 / r.rate_hz for r in READ if r.rate_hz and r.only != "PX4"}

    def asked():
        line.link.ask_messages(line.now_ns)
        time.sleep(0.005)
        line.peer.drain()
        found = {m.param1: m.param2 for _, m in line.peer.came.pop("COMMAND_LONG", [])}
        return found

    assert asked() == pytest.approx(wanted)
    assert asked() == {}
    line.peer.send(line.peer.rc())
    line.take(step_s=6.0)
    assert set(asked()) == set(wanted) - {65}


def test_a_refused_order_is_known_and_forgotten_with_the_next(make):
    line = make()
    line.peer.send(line.peer.heartbeat())
    line.take()
    command = dialect.MAV_CMD_DO_SET_MODE
    for result, refused in ((4, True), (0, False), (5, False), (2, True)):
        line.peer.send(dialect.MAVLink_command_ack_message(command, result))
        line.take()
        assert line.link.heard.refused == refused
    line.link.send_order(Order.LAND, ARDUPILOT)
    assert not line.link.heard.refused


def test_an_order_that_another_station_was_refused_is_not_ours(make):
    line = make()
    line.peer.send(line.peer.heartbeat())
    line.take()
    command = dialect.MAV_CMD_DO_SET_MODE
    for component, refused in ((190, False), (OWN_COMPONENT, True)):
        ack = dialect.MAVLink_command_ack_message(command, 4, 0, 0, 1, component)
        line.peer.send(ack)
        line.take()
        assert line.link.heard.refused == refused


def test_where_the_vehicle_is_and_whether_rc_is_well_are_known_for_seconds_only(make):
    line = make()
    line.peer.send(line.peer.heartbeat(), line.peer.rc())
    line.take()
    heard = line.link.heard
    assert heard.ground_at(line.now_ns) is Ground.UNKNOWN
    assert "does not say whether its RC receiver" in heard.receiver_ill(line.now_ns)
    line.peer.send(line.peer.battery(), line.peer.ground())
    line.take()
    assert heard.ground_at(line.now_ns + ns_from_s(1.9)) is Ground.IN_AIR
    assert heard.ground_at(line.now_ns + ns_from_s(2.1)) is Ground.UNKNOWN
    assert heard.receiver_ill(line.now_ns + ns_from_s(2.9)) == ""
    assert "SYS_STATUS" in heard.receiver_ill(line.now_ns + ns_from_s(3.1))
    line.peer.rc_lost = True
    line.peer.send(line.peer.battery())
    line.take()
    assert "is not well" in heard.receiver_ill(line.now_ns)
    line.peer.kind, line.peer.rc_lost = 12, False  # PX4 falls silent instead
    line.peer.send(line.peer.heartbeat(), line.peer.battery())
    line.take()
    assert heard.receiver_ill(line.now_ns + ns_from_s(60)) == ""


def test_parameters_and_version_are_read(make):
    line = make()
    line.peer.send(
        line.peer.heartbeat(),
        dialect.MAVLink_param_value_message(b"EK3_SRC1_VELXY", 5.0, 2, 1, 0),
        dialect.MAVLink_autopilot_version_message(
            0, 0x04060102, 0, 0, 0, [0] * 8, [0] * 8, [0] * 8, 0, 0, 0
        ),
    )
    line.take()
    assert line.link.heard.parameters == {"EK3_SRC1_VELXY": 5.0}
    assert line.link.heard.version == (4, 6, 1)


# The tables stay true


def test_the_tables_name_what_the_code_does():
    assert {r.name for r in READ} == set(linkheard.HANDLERS)
    for row in (*READ, *SENT):
        assert dialect.mavlink_map[row.number].msgname == row.name


def test_the_numbers_of_mavlink_are_right():
    for name in ("MAV_MODE_FLAG_SAFETY_ARMED", "MAV_CMD_DO_SET_MODE", "MAV_RESULT_ACCEPTED"):
        assert getattr(linkheard, name) == getattr(dialect, name)
    assert linkheard.ESTIMATOR_VELOCITY_HORIZ == dialect.ESTIMATOR_VELOCITY_HORIZ
    assert linkheard.MAV_SYS_STATUS_SENSOR_RC_RECEIVER == dialect.MAV_SYS_STATUS_SENSOR_RC_RECEIVER
    kinds = {dialect.enums["MAV_TYPE"][number].name for number in MULTICOPTERS}
    assert all("ROTOR" in k or "COPTER" in k or "COAXIAL" in k for k in kinds), kinds
    assert not any("VTOL" in kind for kind in kinds)
    for name in ("MAV_RESULT_IN_PROGRESS", "MAV_PARAM_TYPE_UINT8", "MAV_PARAM_TYPE_INT32"):
        assert getattr(linkheard, name) == getattr(dialect, name)
    assert dialect.MAV_COMP_ID_OBSTACLE_AVOIDANCE == OWN_COMPONENT
    assert set(MANNERS) == {dialect.MAV_AUTOPILOT_ARDUPILOTMEGA, dialect.MAV_AUTOPILOT_PX4}
    grounds = {
        dialect.MAV_LANDED_STATE_ON_GROUND: Ground.STANDING,
        dialect.MAV_LANDED_STATE_TAKEOFF: Ground.TAKING_OFF,
        dialect.MAV_LANDED_STATE_IN_AIR: Ground.IN_AIR,
        dialect.MAV_LANDED_STATE_LANDING: Ground.LANDING,
    }
    assert grounds == linkheard.MAV_LANDED_STATE


def test_modes_are_called_as_ardupilots_own_tools_call_them():
    mavutil = pytest.importorskip("pymavlink.mavutil")
    theirs = mavutil.mode_mapping_acm
    assert {n: name for n, name in ARDUPILOT.modes.items() if theirs.get(n) != name} == {}


def test_a_chunk_of_a_stream_may_end_anywhere(make):
    line = make()
    data = b"".join(line.peer.bytes_of(m) for m in line.peer.everything())
    names = []
    for place in range(0, len(data), 3):
        names += line.link.take(Chunk(data[place : place + 3], None), line.now_ns)
    assert len(names) == len(line.peer.everything())
    assert replace(line.link.heard.heartbeat, stamp_ns=0).armed
