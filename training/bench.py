"""This stack against its floors: bare renderer, bare matcher, bare inference, bare SGD step."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from drone.bench import Figure, compare
from drone.config import Config
from drone.decisionbench import bench_decision
from drone.geometry import DistanceMeter
from drone.messages import ModelVersion, StereoFrame, Tick
from drone.onboard.limiter import stop_command
from drone.onboard.mono import network_input, session_from_onnx
from drone.onboard.perception import Perception
from drone.onboard.pilot import Pilot, PilotState
from drone.sim.cameras import calibration_of
from drone.sim.simulator import RoomSimulator, SimOutput
from training.export import Exporter, sha256
from training.networks import GridNet, loss_of
from training.online import OnlineTrainer, single_thread
from training.trainer import Syllabus

DOWN = (0.0, 1.0, 0.0)


def bench_stack(config: Config, rounds: int) -> dict[str, Figure]:
    """Return the figures, in ms per camera frame or per step.

    Args:
        config: room, camera, pilot and learner to measure.
        rounds: how often each is timed.
    """
    single_thread()
    cv2.setNumThreads(1)
    camera = calibration_of(config.sim.camera)
    meter = DistanceMeter(camera.left, config.pilot.grid_spec, config.pilot.corridor_spec)
    with RoomSimulator(
        config.sim, meter, seed=config.flight.seed, tick_hz=config.pilot.tick_hz
    ) as simulator:
        output = simulator.reset()
        figures = {"simulator": _simulator(simulator, config, rounds)}
        assert output.clean is not None, "the first tick has a frame"
        bench = _Bench(config, simulator, output, output.clean)
        figures["stereo_label"] = bench.stereo_label(rounds)
        figures["mono"] = bench.mono(rounds)
        figures["pilot_tick"] = bench.pilot_tick(rounds)
        figures["decision"] = bench_decision(config.pilot, rounds)
        figures["learning_step"] = bench.learning_step(rounds)
    return figures


def _simulator(simulator: RoomSimulator, config: Config, rounds: int) -> Figure:
    """One camera period, physics, noise and truth included, against two bare renders."""
    ticks = round(config.pilot.tick_hz / config.sim.camera.rate_hz)
    hover = stop_command(0, 0)

    def period() -> None:
        for _ in range(ticks):
            simulator.step(hover)

    return compare(period, lambda: [draw() for draw in simulator.bare_pair()], rounds)


class _Bench:
    """Perception, pilot and learner on one frame of a room."""

    def __init__(
        self, config: Config, simulator: RoomSimulator, output: SimOutput, frame: StereoFrame
    ) -> None:
        self._config = config
        self._output = output
        self._frame = frame
        self._perception = Perception(config.pilot, simulator.calibration)
        self._label = self._perception.perceive(frame, output.vehicle).label
        spec = self._perception.spec
        network = GridNet(spec.grid, self._perception.meter.camera)
        onnx = Exporter(network, spec).export(network, 1, {})
        self._onnx = onnx
        self._perception.load(ModelVersion(1, 0, True, onnx, sha256(onnx)))
        self._trainer = OnlineTrainer(
            Syllabus(config.learner, spec, self._perception.meter, config.flight.seed)
        )

    def stereo_label(self, rounds: int) -> Figure:
        """Matching with all its checks, and the label, against the bare matcher."""
        check = self._perception.perceive(self._frame, None).check
        assert check is not None
        assert self._frame.left is not None
        assert self._frame.right is not None
        left, right = self._frame.left, self._frame.right
        stereo = self._config.pilot.stereo
        block = stereo.block_px
        matcher = cv2.StereoSGBM.create(
            numDisparities=self._perception.disparities,
            blockSize=block,
            P1=8 * block * block,
            P2=32 * block * block,
            mode=cv2.STEREO_SGBM_MODE_HH,
        )
        return compare(
            lambda: self._perception.label(self._frame, check, DOWN),
            lambda: matcher.compute(left, right),
            rounds,
        )

    def mono(self, rounds: int) -> Figure:
        """A tick's estimate, distances included, against the bare session."""
        session = session_from_onnx(self._onnx)
        assert self._frame.left is not None
        mono = self._config.pilot.mono
        batch = network_input(self._frame.left, mono.width_px, mono.height_px)
        one_eyed = StereoFrame(0, 0, True, self._frame.left, None)
        return compare(
            lambda: self._perception.perceive(one_eyed, self._output.vehicle),
            lambda: session.run(None, {"image": batch}),
            rounds,
        )

    def pilot_tick(self, rounds: int) -> Figure:
        """A whole tick with a frame, against what it sees by."""
        pilot = Pilot(self._config.pilot, self._perception)
        tick = Tick(0, 0, True, True, self._frame, self._output.vehicle)
        return compare(
            lambda: pilot.step(PilotState(), tick),
            lambda: pilot.perceive(PilotState(), tick),
            rounds,
        )

    def learning_step(self, rounds: int) -> Figure:
        """One step with sampling, augmentation and averaging, against the bare SGD step."""
        assert self._label is not None
        learner = self._config.learner
        for seq in range(learner.min_frames):
            frame = StereoFrame(seq, 0, True, self._frame.left, self._frame.right)
            self._trainer.observe(frame, self._label, DOWN)
        network = GridNet(self._perception.spec.grid, self._perception.meter.camera)
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        batch = self._trainer.buffer.sample(learner.batch_size, np.random.default_rng(0))
        image = torch.from_numpy(batch.image.astype(np.float32) / 255).contiguous(
            memory_format=torch.channels_last
        )
        target, confidence = map(torch.from_numpy, (batch.inverse_depth, batch.confidence))
        obstacle = torch.from_numpy(batch.obstacle_inverse)
        optimizer = torch.optim.AdamW(network.parameters())

        def bare() -> None:
            loss = loss_of(network(image), target, confidence, obstacle)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()

        return compare(self._trainer.learn, bare, rounds)
