"""What ssh says when it cannot, and what is said of it."""

from __future__ import annotations

import pytest

from drone.deploy.ssh import Host, trouble
from drone.errors import UserError, WorkFailedError


@pytest.mark.parametrize(
    ("code", "told", "kind", "expected"),
    [
        (255, "ssh: Could not resolve hostname x: Name or service not known", UserError, "address"),
        (255, "ssh: connect to host x port 22: Connection refused", UserError, "run sshd"),
        (255, "ssh: connect to host x port 22: Connection timed out", UserError, "in this network"),
        (255, "ssh: connect to host x port 22: No route to host", UserError, "in this network"),
        (255, "pi@x: Permission denied (publickey).", UserError, "ssh-copy-id pi@x"),
        (255, "Host key verification failed.", UserError, "ssh pi@x"),
        (255, "", UserError, "does ssh pi@x work?"),
        (127, "bash: python3: command not found", UserError, "apt install python3"),
        (1, "Traceback ...\nMemoryError", WorkFailedError, "pi@x: MemoryError"),
    ],
)
def test_each_trouble_has_words(code, told, kind, expected):
    error = trouble(Host("pi@x", "sh"), code, told)
    assert type(error) is kind
    assert expected in str(error)
    assert "\n" not in str(error)
