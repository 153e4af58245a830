"""From a finished flight to a model file that says what it is.

    run ─► last version ─► checked against torch ─► int8, if asked for ─► metadata ─► file
                               └─ or, without torch's weights, against what it answered in flight

What int8 costs is measured on frames that its ranges were not taken from: every second block of the
flight's labelled frames. Float and int8 see the same frames and labels, in turn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch

from drone import __version__
from drone.bench import compare
from drone.errors import UserError, WorkFailedError
from drone.messages import DistanceLabel, ModelVersion
from drone.onboard.evidence import Pair, evidence_of, operating_point
from drone.onboard.mono import MonoNetwork, network_input
from drone.runfolder import RunFolder, strict_json
from drone.wholefile import write_whole
from training.export import sha256
from training.gate import EXPORT_TOLERANCE
from training.networks import GridNet
from training.online import load_arrays, single_thread
from training.quantise import quantised
from training.recorded import Recorded, Sight, recorded
from training.tensorfile import DamagedError, read_arrays

BLOCK = 20
"""Frames in a row that serve one purpose: a frame's neighbour is almost the frame."""
ROUNDS = 200
"""Answers that are timed."""
LICENCE = "Apache-2.0"


class Check(NamedTuple):
    """How the file's answers compare.

    Attributes:
        against: `torch`, or `flight`: what the same version answered when it flew.
        frames: compared.
        largest_difference: of inverse depth (1/m) or its log variance.
    """

    against: str
    frames: int
    largest_difference: float


@dataclass(frozen=True, slots=True)
class Errors:
    """How far a model is from stereo's labels; NaN where nothing is known.

    Attributes:
        depth_male: mean absolute log error over the known cells.
        obstacle_male: the same of the obstacle distance.
        fpr_at_tpr95: share of free frames stopped needlessly where 95 % of the near are caught.
    """

    depth_male: float
    obstacle_male: float
    fpr_at_tpr95: float


def export(log: Path, folder: RunFolder | None, output: Path, int8: bool) -> dict[str, Any]:
    """Write the last model of a flight, and return what is to be known of it.

    Args:
        log: of the flight.
        folder: of the run, None for a log by itself.
        output: the file to write.
        int8: in 8 bits.

    Raises:
        UserError: no such flight, no model in it, a damaged one, or no such place for the file.
        WorkFailedError: it does not answer as its learner does, or the file cannot be written.
    """
    single_thread()
    flight = recorded(log)
    model = _model(flight, folder)
    network = MonoNetwork(model, flight.spec)
    weights = folder.weights if folder is not None and folder.weights.exists() else None
    check = (
        _against_torch(flight, network, weights, model)
        if weights is not None
        else _against_flight(flight, network)
    )
    if not check.largest_difference <= EXPORT_TOLERANCE:
        raise WorkFailedError(
            f"{log}: version {model.seq} differs from {check.against} by "
            f"{check.largest_difference:.2g}, allowed are {EXPORT_TOLERANCE:g}: nothing was written"
        )
    ranges, test = _blocks([sight for sight in flight.sights if sight.label is not None])
    file = _described(model.onnx, flight, "float32")
    figures = {
        "model": output,
        "version": model.seq,
        "precision": "int8" if int8 else "float32",
        "check": {**check._asdict(), "tolerance": EXPORT_TOLERANCE},
        "accuracy": asdict(_errors(network, test, flight)),
        "frames": len(test),
        "int8": None,
    }
    if int8:
        file, figures["int8"] = _int8(file, ranges, test, flight)
    write_whole(output, file)
    return {**figures, "bytes": len(file), "sha256": sha256(file)}


def _model(flight: Recorded, folder: RunFolder | None) -> ModelVersion:
    """Return the last version; the run folder's file must be the one that the log has."""
    if folder is not None and folder.model.exists():
        found = sha256(folder.model.read_bytes())
        if found != flight.model.sha256:
            raise UserError(
                f"{folder.model}: is not version {flight.model.seq} that flew last by the log: "
                "damaged, or another flight's; without it the log's is taken"
            )
    return flight.model


def _against_torch(
    flight: Recorded, network: MonoNetwork, weights: Path, model: ModelVersion
) -> Check:
    """Compare with torch, on every frame."""
    try:
        arrays, facts = read_arrays(weights.read_bytes())
    except (OSError, DamagedError) as error:
        raise UserError(f"{weights}: cannot be read ({error})") from error
    if facts.get("model_sha256") != model.sha256:
        raise UserError(
            f"{weights}: is of another model than version {model.seq}; without it the check is "
            "against the answers in flight"
        )
    width = flight.config.learner.width
    own = GridNet(flight.spec.grid, flight.calibration.left, width).eval()
    load_arrays(own, arrays)
    worst = 0.0
    for sight in flight.sights:
        answer = network.estimate(sight.image)
        batch = torch.from_numpy(network_input(sight.image, *sight.image.shape[::-1]))
        with torch.no_grad():
            wanted = own(batch)
        pairs = (
            (answer.inverse_depth, wanted.inverse_depth[0, 0].numpy()),
            (answer.log_variance, wanted.log_variance[0, 0].numpy()),
        )
        worst = max(worst, *(float(np.abs(a - b).max()) for a, b in pairs))
    return Check("torch", len(flight.sights), worst)


def _against_flight(flight: Recorded, network: MonoNetwork) -> Check:
    """Compare with what the same version answered when it flew."""
    answered = [(s.image, s.estimate) for s in flight.sights if s.estimate is not None]
    if not answered:
        raise UserError(
            f"{flight.path}: version {flight.model.seq} answered no frame, and there are no "
            "weights of torch: nothing to check it by"
        )
    worst = 0.0
    for image, estimate in answered:
        answer = network.estimate(image)
        pairs = (
            (answer.inverse_depth, estimate.inverse_depth),
            (answer.log_variance, estimate.log_variance),
        )
        worst = max(worst, *(float(np.abs(a - b).max()) for a, b in pairs))
    return Check("flight", len(answered), worst)


def _described(model: bytes, flight: Recorded, precision: str) -> bytes:
    """Return a model's file with all that one must know to use it in its metadata."""
    whole = onnx.load_from_string(model)
    kept = {entry.key: entry.value for entry in whole.metadata_props}
    camera, pilot = flight.calibration.left, flight.config.pilot
    said = {
        **flight.spec.metadata(flight.model.seq),
        "training": kept.get("training", "{}"),
        "normalisation": "grey levels 0-255 divided by 255, resized by area",
        "units": "inverse_depth 1/m; log_variance log(1/m^2); depth is z along the optical axis",
        "range": strict_json({"near_m": pilot.stereo.near_m, "far_m": pilot.corridor.far_m}),
        "camera": strict_json({**asdict(camera), "baseline_m": flight.calibration.baseline_m}),
        "trust": strict_json(asdict(flight.trust)),
        "licence": LICENCE,
        "precision": precision,
        "software": f"drone {__version__}",
        "source": flight.model.sha256,
    }
    onnx.helper.set_model_props(whole, said)
    return bytes(whole.SerializeToString())


def _int8(
    file: bytes, ranges: Sequence[Sight], test: Sequence[Sight], flight: Recorded
) -> tuple[bytes, dict[str, Any]]:
    """Return the int8 file, and each figure of it beside float's."""
    if flight.config.learner.kind != "cnn":
        raise UserError(
            f"{flight.path}: --int8 is for the network; {flight.config.learner.kind} compares "
            "numbers that 8 bits cannot tell apart: export it without"
        )
    if len(ranges) < BLOCK:
        raise UserError(
            f"{flight.path}: {len(ranges)} labelled frames to take int8's ranges from, at least "
            f"{BLOCK} are needed"
        )
    small = _described(quantised(file, [sight.image for sight in ranges]), flight, "int8")
    networks = [
        MonoNetwork(ModelVersion(flight.model.seq, 0, True, data, sha256(data)), flight.spec)
        for data in (small, file)
    ]
    ours, reference = (asdict(_errors(network, test, flight)) for network in networks)
    images = [sight.image for sight in test or ranges]
    turns = [iter(images * (ROUNDS // len(images) + 2)) for _ in networks]
    time_ms = compare(
        lambda: networks[0].estimate(next(turns[0])),
        lambda: networks[1].estimate(next(turns[1])),
        ROUNDS,
    )
    return small, {
        "bytes": _figure(len(small), len(file), 1),
        "time_ms": time_ms.to_dict(),
        **{name: _figure(ours[name], reference[name], len(test)) for name in ours},
        "range_frames": len(ranges),
    }


def _figure(value: float, reference: float, n: int) -> dict[str, Any]:
    ratio = value / reference if reference else math.nan
    return {"value": value, "reference": reference, "ratio": ratio, "n": n}


def _blocks(sights: Sequence[Sight]) -> tuple[list[Sight], list[Sight]]:
    """Return every second block of frames, and the others."""
    return (
        [sight for i, sight in enumerate(sights) if i // BLOCK % 2 == 0],
        [sight for i, sight in enumerate(sights) if i // BLOCK % 2 == 1],
    )


def _errors(network: MonoNetwork, test: Sequence[Sight], flight: Recorded) -> Errors:
    """Return how far a model is from the labels of these frames."""
    pilot = flight.config.pilot
    cells: list[float] = []
    pairs: list[Pair] = []
    for number, sight in enumerate(test):
        answer = network.estimate(sight.image)
        assert sight.label is not None, "only labelled frames are tested on"
        cells += _cell_errors(answer.inverse_depth, sight.label)
        plain_m, flown_m = (
            answer.obstacle_m(flight.meter, sight.down, caution)
            for caution in (0.0, pilot.mono.caution)
        )
        pairs.append(Pair(number, 0, sight.label.obstacle_m, plain_m, flown_m))
    point = operating_point(evidence_of(pairs, pilot.switching.stop_m), pilot.trust)
    errors = [abs(math.log(p.raw_m / p.label_m)) for p in pairs if p.label_m > 0 < p.raw_m]
    return Errors(_mean(cells), _mean(errors), point.fpr)


def _cell_errors(inverse_depth: np.ndarray, label: DistanceLabel) -> list[float]:
    known = np.isfinite(label.inverse_depth) & (label.inverse_depth > 0)
    ratios = inverse_depth[known] / label.inverse_depth[known]
    return [float(e) for e in np.abs(np.log(ratios))]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
