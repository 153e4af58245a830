"""Who may come, and what is answered to wrong wishes."""

import argparse
import json
import socket
import struct
import time

import pytest

pytest.importorskip("fastapi", reason="needs the extra web")
pytest.importorskip("uvicorn", reason="needs the extra web")

from test_feed import SCENE, glimpse
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from drone.commands.watching import add_web_options, web_address
from drone.errors import UserError
from drone.messages import Asked
from drone.web.feed import Watched
from drone.web.server import Address, LiveServer

TOKEN = "a token that is long"


@pytest.fixture(params=["", TOKEN], ids=["open", "token"])
def served(request):
    watched = Watched()
    watched.feed.scene = SCENE
    watched.feed.see(glimpse(1))
    server = LiveServer(watched, Address(port=0, token=request.param))
    server.start()
    yield watched, server, request.param
    server.close()


def talk(server, origin=None, **more):
    port = server.port
    origin = origin or f"http://127.0.0.1:{port}"
    return connect(f"ws://127.0.0.1:{port}/live", origin=origin, **more)


def facts_of(data):
    return json.loads(data[4 : 4 + struct.unpack_from("<I", data)[0]])


def drain(page):
    while True:
        page.recv(10)


def until(condition):
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


def test_a_page_is_told_and_heard(served):
    watched, server, token = served
    with talk(server) as page:
        page.send(token)
        assert facts_of(page.recv(10))["name"] == "a flight"
        assert facts_of(page.recv(10))["frame"] == 1
        watched.feed.see(glimpse(2))
        assert facts_of(page.recv(10))["frame"] == 2
        page.send(json.dumps({"do": "land"}))
        until(lambda: watched.controls.take().asked is Asked.LAND)
        watched.feed.end("landed")
        assert facts_of(page.recv(10))["ended"] == "landed"
        with pytest.raises(ConnectionClosed) as closed:
            page.recv(10)
        assert closed.value.rcvd.code == 1000


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://127.0.0.1:1", "null", "http://localhost.evil.example"]
)
def test_no_other_site_may_come(served, origin):
    with pytest.raises(InvalidStatus, match="403"):
        talk(served[1], origin=origin)


def test_no_foreign_name_for_this_machine_is_believed_without_a_token():
    """A site that lets its own name point here (DNS rebinding) is not our page."""
    server = LiveServer(Watched(), Address(port=0))
    assert server._may_come("http://localhost:80", "localhost:80")
    assert server._may_come("http://[::1]:80", "[::1]:80")
    assert not server._may_come("http://evil.example:80", "evil.example:80")
    assert not server._may_come("", "127.0.0.1:80")
    server.close()


@pytest.mark.parametrize("said", ["", "a token that is wrong", TOKEN + " "])
def test_without_the_token_nothing_is_told(said):
    watched = Watched()
    watched.feed.scene = SCENE
    watched.feed.see(glimpse(1))
    server = LiveServer(watched, Address(port=0, token=TOKEN))
    server.start()
    with talk(server) as page:
        page.send(said)
        with pytest.raises(ConnectionClosed) as closed:
            page.recv(10)
        assert closed.value.rcvd.code == 4401
    server.close()
    assert watched.controls.take().asked is Asked.NOTHING


@pytest.mark.parametrize("wish", ["", "[]", '{"do": "fly"}', "{", '{"do": null}', '"land"'])
def test_a_wrong_wish_ends_the_conversation_and_asks_for_nothing(served, wish):
    watched, server, token = served
    with talk(server) as page:
        page.send(token)
        page.recv(10)
        page.send(wish)
        with pytest.raises(ConnectionClosed):
            drain(page)
    assert watched.controls.take() == watched.controls.take()
    assert watched.controls.take().asked is Asked.NOTHING


def test_a_wish_nested_too_deeply_to_be_read_is_a_wrong_one(served):
    _, server, token = served
    with talk(server) as page:
        page.send(token)
        page.recv(10)
        page.send("[" * 4000)
        with pytest.raises(ConnectionClosed) as closed:
            drain(page)
    assert closed.value.rcvd.code == 1003


def address_of(*words):
    parser = argparse.ArgumentParser()
    add_web_options(parser)
    return web_address(parser.parse_args(words))


def test_the_address():
    assert address_of() is None
    assert address_of("--web") == Address("127.0.0.1", 8080, "")
    open_to_all = address_of("--web", "9000", "--web-host", "0.0.0.0")
    assert len(open_to_all.token) >= 20
    mine = address_of("--web", "--web-host", "0.0.0.0", "--web-token", TOKEN)
    assert mine == Address("0.0.0.0", 8080, TOKEN)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--web", "99999"), "expected a port"),
        (("--web", "x"), "expected a port"),
        (("--web-host", "0.0.0.0"), "go with --web"),
        (("--web", "--web-token", "short"), "at least 12 characters"),
        (("--web", "--web-host", "0.0.0.0", "--web-token", ""), "at least 12 characters"),
    ],
)
def test_wrong_addresses_are_refused(words, problem):
    with pytest.raises(UserError, match=problem):
        address_of(*words)


def test_a_port_that_is_taken_says_so():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port}: address already in use; another port"):
            LiveServer(Watched(), Address(port=port))


def test_a_host_that_is_not_ours_says_so():
    with pytest.raises(UserError, match="--web"):
        LiveServer(Watched(), Address("no.such.host.invalid", 0, TOKEN))


def test_the_server_costs_little():
    """CPU time of its thread at 10 Hz with one page, encoding and sending included."""
    watched = Watched()
    watched.feed.scene = SCENE
    watched.feed.see(glimpse(0))
    server = LiveServer(watched, Address(port=0))
    server.start()
    with talk(server) as page:
        page.send("")
        page.recv(10), page.recv(10)
        before_s = server.cpu_s
        for seq in range(1, 31):
            watched.feed.see(glimpse(seq))
            while facts_of(page.recv(10))["frame"] < seq:
                pass
        per_frame_s = (server.cpu_s - before_s) / 30
    server.close()
    assert per_frame_s * 10 < 0.05
