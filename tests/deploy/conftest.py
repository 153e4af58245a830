"""A companion computer to deploy to, and small bundles for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sshserver


@pytest.fixture
def companion(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshserver.Server]:
    """A fresh one."""
    sshserver.needed()
    server, process = sshserver.start(tmp_path_factory.mktemp("ssh"))
    yield server
    process.terminate()
    process.wait(10)
