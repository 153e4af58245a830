"""The permission table: all states by all events."""

import itertools

import pytest

from drone.onboard.permission import TABLE, Permission, Switch

W, R, G = Permission.WITHDRAWN, Permission.READY, Permission.GIVEN


def test_every_state_has_an_answer_to_every_event():
    assert set(TABLE) == set(itertools.product(Permission, Switch))


def test_only_low_then_high_gives():
    giving = {key for key, after in TABLE.items() if after is G}
    assert giving == {(R, Switch.HIGH), (G, Switch.HIGH)}
    assert {key for key, after in TABLE.items() if after is R} == {
        (p, Switch.LOW) for p in Permission
    }


@pytest.mark.parametrize("state", Permission)
def test_withdraw_always_withdraws(state):
    assert TABLE[state, Switch.WITHDRAW] is W


@pytest.mark.parametrize("length", range(1, 6))
def test_permission_never_stands_without_a_low_and_then_a_high_after_the_last_withdrawal(length):
    for events in itertools.product(Switch, repeat=length):
        state = W
        for event in events:
            state = TABLE[state, event]
        since = list(events)
        while Switch.WITHDRAW in since:
            since = since[since.index(Switch.WITHDRAW) + 1 :]
        given = Switch.LOW in since and since[-1] is Switch.HIGH
        assert (state is G) == given, events
