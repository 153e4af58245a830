"""The one way in which work on the companion ends badly."""

from __future__ import annotations


class Refused(Exception):  # noqa: N818
    """It cannot be done: what, where, and what would be right."""
