"""Ctrl-C is taken between two ticks, the second one at once."""

import signal
import threading

import pytest

from training.interrupts import Interrupts


@pytest.fixture(autouse=True)
def as_a_shell_starts_it():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_first_is_noted_and_the_second_taken_at_once():
    with Interrupts() as interrupts:
        assert not interrupts.asked
        signal.raise_signal(signal.SIGINT)
        assert interrupts.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_afterwards_all_is_as_before():
    with pytest.raises(ZeroDivisionError), Interrupts():
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None])
def test_what_was_chosen_for_ctrl_c_stays(handler):
    signal.signal(signal.SIGINT, handler)
    with Interrupts() as interrupts:
        assert signal.getsignal(signal.SIGINT) is handler
        signal.raise_signal(signal.SIGINT)
    assert not interrupts.asked
    assert signal.getsignal(signal.SIGINT) is handler


def test_another_thread_cannot_listen_and_need_not():
    def listen():
        with Interrupts() as interrupts:
            seen.append((interrupts.asked, signal.getsignal(signal.SIGINT)))

    seen = []
    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert seen == [(False, signal.default_int_handler)]
