"""The human pilot's permission, as a table: one switch gives it, anything takes it.

```mermaid
stateDiagram-v2
    [*] --> withdrawn
    withdrawn --> ready: low
    ready --> given: high
    given --> ready: low
    ready --> withdrawn: withdraw
    given --> withdrawn: withdraw
```

A switch that is found high, or is high when permission is withdrawn, gives nothing: it must go low,
then high, while all that permission needs is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Permission(StrEnum):
    """How permission stands."""

    WITHDRAWN = "withdrawn"
    READY = "ready"
    GIVEN = "given"


class Switch(StrEnum):
    """What the pilot's side says at one moment.

    WITHDRAW: something that permission needs is missing, or somebody takes over.
    LOW, HIGH: all is there, and the switch stands so.
    """

    WITHDRAW = "withdraw"
    LOW = "low"
    HIGH = "high"


TABLE: Mapping[tuple[Permission, Switch], Permission] = {
    (Permission.WITHDRAWN, Switch.WITHDRAW): Permission.WITHDRAWN,
    (Permission.WITHDRAWN, Switch.LOW): Permission.READY,
    (Permission.WITHDRAWN, Switch.HIGH): Permission.WITHDRAWN,
    (Permission.READY, Switch.WITHDRAW): Permission.WITHDRAWN,
    (Permission.READY, Switch.LOW): Permission.READY,
    (Permission.READY, Switch.HIGH): Permission.GIVEN,
    (Permission.GIVEN, Switch.WITHDRAW): Permission.WITHDRAWN,
    (Permission.GIVEN, Switch.LOW): Permission.READY,
    (Permission.GIVEN, Switch.HIGH): Permission.GIVEN,
}
