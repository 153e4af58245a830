"""The two ways in which a command ends badly, with the exit code of each."""

from __future__ import annotations


class DroneError(Exception):
    """Base of the errors that a user sees as one line instead of a traceback."""

    exit_code = 1


class UserError(DroneError):
    """Wrong use or wrong input: the message says what, where, and what would be right."""

    exit_code = 2


class WorkFailedError(DroneError):
    """The request was right, yet the work could not be done (disk full, simulation diverged)."""

    exit_code = 1


class DivergedError(WorkFailedError):
    """The simulation left the numbers that make sense: it has nothing to show any more."""
