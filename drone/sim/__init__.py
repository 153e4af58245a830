"""The PyBullet room: rooms, quadrotor, stereo camera, faults. It fakes inputs, never health."""
