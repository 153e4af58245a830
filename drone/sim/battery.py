"""The battery: what flying takes, and what thrust it still gives.

In: how hard the rotors work. Out: share left, voltage under load, and the thrust left of a motor.
Thrust goes with the square of a rotor's speed, and its speed, at full throttle, with the voltage.
"""

from __future__ import annotations

import math

from drone.config import BatteryConfig
from drone.sim.vehicle import Quadrotor


class Battery:
    """One pack, full at the start.

    Attributes:
        share: left, 0-1; NaN where the battery is off.
        volts: under load; NaN likewise.
    """

    def __init__(self, config: BatteryConfig) -> None:
        self._config = config
        self.share = self.volts = math.nan
        if config.enabled:
            self.share, self.volts = 1.0, config.full_v

    @property
    def flat(self) -> bool:
        """Nothing is left."""
        return self.share <= 0.0

    @property
    def thrust_share(self) -> float:
        """What full throttle gives now, over what it gives with a full battery at rest."""
        if not self._config.enabled:
            return 1.0
        return (self.volts / self._config.full_v) ** 2

    def feed(self, vehicle: Quadrotor, dt_s: float) -> None:
        """Take what flying used in a time, limit the thrust, and stop the motors when flat."""
        if not self._config.enabled:
            return
        self.draw(vehicle.load, dt_s)
        vehicle.limit_thrust(self.thrust_share)
        if self.flat:
            vehicle.stop_motors()

    def draw(self, load: float, dt_s: float) -> None:
        """Fly for a time.

        Args:
            load: lift over weight.
            dt_s: how long.
        """
        c = self._config
        if not c.enabled:
            return
        power_w = c.electronics_w + c.hover_w * max(load, 0.0) ** 1.5
        rest_v = c.empty_v + (c.full_v - c.empty_v) * self.share
        # Volts are rest - current * resistance, and volts * current is the power.
        root = rest_v * rest_v - 4.0 * power_w * c.resistance_ohm
        self.volts = 0.5 * (rest_v + math.sqrt(max(root, 0.0)))
        used_ah = power_w / self.volts * dt_s / 3600.0
        self.share = max(0.0, self.share - used_ah / c.capacity_ah)
