"""The options of every command that takes recorded input."""

from __future__ import annotations

import argparse
import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from drone.errors import UserError

if TYPE_CHECKING:
    from drone.onboard.sources.liveopening import LiveRequest
    from drone.onboard.sources.options import SourceOptions

INPUT_HELP = (
    "a run folder, a log (.mcap), a film, a ROS bag, or a data-set folder (EuRoC, KITTI odometry, "
    "or left/ and right/ images)"
)


def add_input_options(parser: argparse.ArgumentParser) -> None:
    """Add which part of the input is used, and what its files do not say."""
    part = parser.add_argument_group("which part of the input")
    part.add_argument("--start", metavar="S", type=float, default=0.0, help="from this second on")
    part.add_argument("--end", metavar="S", type=float, default=math.inf, help="up to this second")
    part.add_argument(
        "--rate",
        metavar="HZ",
        type=float,
        help="at most so many frames a second; for images without times: the rate they have",
    )
    part.add_argument(
        "--scale", metavar="F", type=float, default=1.0, help="size of the images, 0.5 halves it"
    )
    cameras = parser.add_argument_group("what the input does not say of its cameras")
    cameras.add_argument(
        "--calibration", metavar="FILE", type=Path, help="calibration of the pair (drone calibrate)"
    )
    cameras.add_argument(
        "--rectified",
        action="store_true",
        help="the images are rectified already: --focal-px and --baseline-m say the rest",
    )
    cameras.add_argument("--focal-px", metavar="F", type=float, help="with --rectified: px")
    cameras.add_argument("--baseline-m", metavar="B", type=float, help="with --rectified: m")
    cameras.add_argument(
        "--layout",
        choices=("side-by-side", "top-bottom"),
        default="side-by-side",
        help="how one film holds both eyes, the left one first",
    )
    cameras.add_argument(
        "--right", metavar="FILM", type=Path, help="film of the right eye, if it has its own"
    )
    cameras.add_argument(
        "--topics",
        metavar="NAME,NAME",
        help="image topics of a bag (default: the one pair that names its eyes); with --to: the "
        "topics of a log that are written (default: all)",
    )
    cameras.add_argument(
        "--pose-topic", metavar="TOPIC", help="pose of the vehicle in a bag (default: the only one)"
    )
    cameras.add_argument("--swap", action="store_true", help="exchange left and right")
    vehicle = parser.add_argument_group("what the autopilot logged beside a film or images")
    vehicle.add_argument(
        "--vehicle-log",
        metavar="FILE",
        type=Path,
        help="PX4's .ulg or ArduPilot's .bin of the same flight: vehicle state and modes",
    )
    vehicle.add_argument(
        "--vehicle-offset",
        metavar="S",
        type=float,
        default=0.0,
        help="second of that log at which the first pair was taken (default: 0, its beginning)",
    )


def add_live_options(parser: argparse.ArgumentParser) -> None:
    """Add the live camera, which stands in for recorded input."""
    live = parser.add_argument_group("a live camera instead of recorded input")
    live.add_argument(
        "--live",
        metavar="CAMERA",
        nargs="+",
        help="one camera with both eyes (see --layout), or the left and the right one: "
        "/dev/video0, rtsp://..., csi:0, jetson:0, or 'pipe:COMMAND' that writes grey raw video; "
        "--start and --end count from its first picture, and without --end Ctrl-C ends it",
    )
    live.add_argument(
        "--size", metavar="WxH", help="of one eye's picture (default: that of the calibration)"
    )
    live.add_argument(
        "--max-skew-ms",
        metavar="MS",
        type=float,
        help="eyes that take their pictures farther apart are out of sync (default: 10)",
    )
    live.add_argument(
        "--delay",
        metavar="S",
        type=float,
        help="from a picture's exposure to its arrival, so that its stamp is that of its exposure "
        "(default: 0; not used where the driver stamps it, as a video device's does)",
    )


def live_request(args: argparse.Namespace) -> LiveRequest | None:
    """Return which camera is asked for, None without one.

    Raises:
        UserError: options that do not go together, or a value that makes no sense.
    """
    from drone.onboard.sources.liveopening import LiveRequest

    if args.live is None:
        if any(value is not None for value in (args.size, args.max_skew_ms, args.delay)):
            raise UserError("--size, --max-skew-ms and --delay go with --live")
        return None
    for value, name in (
        (args.right, "--right"),
        (args.topics, "--topics"),
        (args.vehicle_log, "--vehicle-log"),
    ):
        if value is not None:
            raise UserError(f"{name} is of recorded input; --live takes one camera, or two")
    pictures = None if args.size is None else size_px(args.size)
    given = {} if args.max_skew_ms is None else {"max_skew_s": args.max_skew_ms / 1000}
    return LiveRequest(tuple(args.live), pictures, delay_s=args.delay or 0.0, **given)


def size_px(text: str) -> tuple[int, int]:
    """Return width and height of a picture.

    Raises:
        UserError: not such a size.
    """
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if match is None:
        raise UserError(f"--size {text!r}: expected width and height in px, such as 640x480")
    return int(match[1]), int(match[2])


def source_options(args: argparse.Namespace) -> SourceOptions:
    """Return the options as a source takes them.

    Raises:
        UserError: options that do not go together, or a value that makes no sense.
    """
    from drone.onboard.map_cache import user_cache
    from drone.onboard.sources.options import Layout, RectifiedPair, SourceOptions

    rectified = None
    if args.rectified:
        if args.focal_px is None or args.baseline_m is None:
            raise UserError("--rectified needs --focal-px and --baseline-m")
        rectified = RectifiedPair(args.focal_px, args.baseline_m)
    elif args.focal_px is not None or args.baseline_m is not None:
        raise UserError("--focal-px and --baseline-m go with --rectified")
    return SourceOptions(
        start_s=args.start,
        end_s=args.end,
        rate_hz=args.rate,
        scale=args.scale,
        calibration=args.calibration,
        rectified=rectified,
        layout=Layout(args.layout),
        right=args.right,
        topics=None if args.topics is None else _topics(args.topics),
        pose_topic=args.pose_topic,
        swap=args.swap,
        vehicle_log=args.vehicle_log,
        vehicle_offset_s=args.vehicle_offset,
        cache=user_cache(os.environ),
    )


def _topics(text: str) -> tuple[str, str]:
    left, comma, right = text.partition(",")
    if not (left and comma and right) or "," in right:
        raise UserError(f"--topics {text!r}: expected two names such as /cam0/image,/cam1/image")
    return left.strip(), right.strip()
