"""Drones that teach themselves to see: shared contracts, the command line, what flies, the room."""

__version__ = "0.1.0"
