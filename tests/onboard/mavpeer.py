"""A little autopilot in pymavlink, over real UDP: says what it is told to, keeps what comes."""

import math
import select
import socket
import threading
import time
from collections import defaultdict

from pymavlink.dialects.v20 import common as dialect

GUIDED, LOITER, LAND = 4, 5, 9
CENTRE, LOW, HIGH = 1500, 1000, 2000
_DEGREE_E7_M = 6378137.0 * math.radians(1e-7)


class Peer:
    """Sends to a port of this machine; with `run` telemetry flows at 50 Hz in a thread.

    Attributes:
        came: messages by name, each with its time of arrival (monotonic, s).
    """

    def __init__(self, port, system=1, kind=3, key=None, component=1):
        self.port, self.kind = port, kind
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.codec = dialect.MAVLink(None, system, component)
        self.codec.robust_parsing = True
        if key is not None:
            self.codec.signing.secret_key = key
            self.codec.signing.sign_outgoing = True
            self.codec.signing.timestamp = 10**12
        self.mode, self.armed, self.switch, self.stick = GUIDED, True, LOW, CENTRE
        self.rc_lost = False
        self.landed, self.boot_s, self.obeys = 2, time.monotonic() - 1000.0, True
        self.came = defaultdict(list)
        self.bad = []
        self.lock = threading.Lock()
        self._thread = None
        self._ended = threading.Event()

    def boot_ms(self):
        return round(1e3 * (time.monotonic() - self.boot_s))

    def bytes_of(self, message):
        data = message.pack(self.codec)
        self.codec.seq = (self.codec.seq + 1) % 256
        return data

    def send(self, *messages):
        with self.lock:
            for message in messages:
                self.raw(self.bytes_of(message))

    def raw(self, data):
        self.socket.sendto(data, ("127.0.0.1", self.port))

    def heartbeat(self):
        armed = dialect.MAV_MODE_FLAG_SAFETY_ARMED if self.armed else 0
        return dialect.MAVLink_heartbeat_message(2, self.kind, 1 | armed, self.mode, 4, 3)

    def rc(self):
        pulses = [CENTRE, self.stick, CENTRE, CENTRE, LOW, LOW, self.switch, LOW] + [65535] * 10
        return dialect.MAVLink_rc_channels_message(self.boot_ms(), 8, *pulses, 255)

    def attitude(self, yaw=0.0):
        return dialect.MAVLink_attitude_message(self.boot_ms(), 0.0, 0.0, yaw, 0.0, 0.0, 0.0)

    def position(self, north=0.0, east=0.0, down=-1.0):
        return dialect.MAVLink_local_position_ned_message(
            self.boot_ms(), north, east, down, 0.1, 0.2, 0.0
        )

    def ground(self):
        return dialect.MAVLink_extended_sys_state_message(0, self.landed)

    def battery(self, percent=80):
        rc = dialect.MAV_SYS_STATUS_SENSOR_RC_RECEIVER
        well = 0 if self.rc_lost else rc
        return dialect.MAVLink_sys_status_message(
            rc, rc, well, 0, 11100, -1, percent, 0, 0, 0, 0, 0, 0
        )

    def home(self, x=0.0, y=0.0, z=0.0):
        """As ArduPilot tells it: zeros in the local frame, the place on the globe alone."""
        globe, local = (0, 0, 0), (x, y, z)
        if self.kind == 3:
            globe, local = (
                (round(x / _DEGREE_E7_M), round(y / _DEGREE_E7_M), round(-1000 * z)),
                (0,) * 3,
            )
        return dialect.MAVLink_home_position_message(*globe, *local, [1, 0, 0, 0], 0, 0, 0)

    def origin(self):
        return dialect.MAVLink_gps_global_origin_message(0, 0, 0)

    def estimator(self, flags=dialect.ESTIMATOR_VELOCITY_HORIZ):
        return dialect.MAVLink_estimator_status_message(0, flags, *(0.0,) * 8)

    def where(self):
        """What belongs to a position, and is not the same for both."""
        return (self.origin(),) if self.kind == 3 else (self.estimator(),)

    def everything(self):
        return (
            *(self.heartbeat(), self.position(), *self.where(), self.attitude(), self.rc()),
            *(self.ground(), self.battery(), self.home()),
        )

    def drain(self):
        """Take in what has come; answer what an autopilot answers."""
        while True:
            try:
                data = self.socket.recv(65536)
            except BlockingIOError:
                return
            self.codec.buf, self.codec.buf_index = bytearray(), 0
            for message in self.codec.parse_buffer(data) or ():
                self._take(message)

    def _take(self, message):
        name = message.get_type()
        if name == "BAD_DATA" or name.startswith("UNKNOWN"):
            self.bad.append(message)
            return
        self.came[name].append((time.monotonic(), message))
        if name == "TIMESYNC" and message.tc1 == 0:
            self.send(dialect.MAVLink_timesync_message(self.boot_ms() * 1_000_000, message.ts1))
        if name == "COMMAND_LONG" and message.command == dialect.MAV_CMD_DO_SET_MODE:
            if self.obeys:
                self.mode = int(message.param2)
            self.send(
                dialect.MAVLink_command_ack_message(message.command, 0 if self.obeys else 2),
                self.heartbeat(),
            )

    def run(self):
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def _run(self):
        turn = 0
        while not self._ended.is_set():
            self.send(self.position(), self.attitude(), self.rc())
            if turn % 10 == 0:
                self.send(self.heartbeat(), *self.where(), self.ground())
                self.send(self.battery(), self.home())
            turn += 1
            until = time.monotonic() + 0.02
            while (left := until - time.monotonic()) > 0:
                if select.select([self.socket], [], [], left)[0]:
                    self.drain()

    def close(self):
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        self.socket.close()


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
