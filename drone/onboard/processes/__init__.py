"""What flies on a vehicle, as processes: thin loops around the parts of `drone.onboard`.

    camera ──► pilot ──► link ──► autopilot        drone/wire.py: what crosses
                 └─► recorder, trainer, web        drone/bus.py: how

Each has its own module here (the trainer's is in `training`, the page's in `drone.web`); all are
started, watched and started anew by `supervisor`. What a process is told stands in `orders`.
"""
