"""Messages out of bytes, whatever lies between them."""

import random

from hypothesis import given
from hypothesis import strategies as st
from mavpeer import Peer
from pymavlink.dialects.v20 import common as dialect

from drone.onboard.mavframes import take_messages


def decoder():
    codec = dialect.MAVLink(None)

    def decode(data):
        try:
            return codec.decode(data)
        except dialect.MAVError:
            return None

    return decode


def known(number):
    return number in dialect.mavlink_map


def taken(buffer, whole=False):
    return take_messages(buffer, decoder(), known, whole=whole)


def names(messages):
    return [m.get_type() for m in messages]


def sample():
    peer = Peer(1)
    peer.socket.close()
    return [peer.bytes_of(m) for m in peer.everything()]


def test_whole_messages_come_and_the_rest_waits():
    first, second, *_ = sample()
    buffer = bytearray(first + second[:7])
    assert names(taken(buffer)) == ["HEARTBEAT"]
    assert bytes(buffer) == second[:7]
    buffer += second[7:]
    assert names(taken(buffer)) == ["LOCAL_POSITION_NED"]
    assert not buffer


def test_mavlink_1_is_understood():
    data = dialect.MAVLink_heartbeat_message(2, 3, 0, 0, 4, 3).pack(
        dialect.MAVLink(None, 7, 1), force_mavlink1=True
    )
    (message,) = taken(bytearray(data))
    assert message.get_srcSystem() == 7


def test_a_datagram_that_begins_like_a_longer_message_does_not_hide_the_one_in_it():
    heartbeat = sample()[0]
    lure = bytes([0xFD, 255, 0, 0, 0, 1, 1, 30, 0, 0])
    assert names(taken(bytearray(lure + heartbeat), whole=True)) == ["HEARTBEAT"]


def test_every_message_comes_through_garbage_on_a_stream():
    drawn = random.Random(1)
    messages, sent, buffer = sample(), 0, bytearray()
    found = []
    for _ in range(300):
        buffer += drawn.randbytes(drawn.randrange(40))
        buffer += bytes(drawn.choice((0xFD, 0xFE)) for _ in range(drawn.randrange(3)))
        buffer += messages[sent % len(messages)]
        sent += 1
        found += taken(buffer)
    buffer += bytes(300)
    assert len(found + taken(buffer)) == sent


def test_an_unknown_id_is_no_message():
    unknown = bytearray([0xFD, 1, 0, 0, 0, 1, 1, 0xFF, 0xFF, 0x0F, 0, 0, 0])
    assert decoder()(unknown).get_type().startswith("UNKNOWN")  # pymavlink takes it unchecked
    assert taken(unknown, whole=True) == []


def test_one_wrong_byte_makes_no_message():
    heartbeat = sample()[0]
    for place in range(len(heartbeat)):
        broken = bytearray(heartbeat)
        broken[place] ^= 0x10
        assert taken(broken, whole=True) == []


@given(st.binary(max_size=600), st.booleans())
def test_no_bytes_break_it_and_little_waits(data, whole):
    buffer = bytearray(data)
    taken(buffer, whole)
    assert len(buffer) < 280
    assert not (whole and buffer)
