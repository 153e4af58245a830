"""A companion computer to deploy to, and small bundles for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sshserver

sys.path.append(str(Path(__file__).parents[1] / "onboard"))  # the small model


@pytest.fixture
def companion(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshserver.Server]:
    """A fresh one."""
    sshserver.needed()
    server, process = sshserver.start(tmp_path_factory.mktemp("ssh"))
    yield server
    process.terminate()
    process.wait(10)
