"""Reads ROS 1 and ROS 2 bags, without ROS.

In: a `.bag`, a folder with `metadata.yaml`, or a single `.db3` or `.mcap` of ROS 2, with an image
topic for each eye (`sensor_msgs/Image` or `CompressedImage`). Optional: `camera_info` beside the
images, and one topic with the vehicle's pose. Out: pairs of images whose capture stamps agree.

A bag is read once at opening, for the stamps alone, and once more for the images. It does not say
where the camera sits in the vehicle; it is taken to look along the body's forward axis.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drone.clock import ns_from_s
from drone.errors import UserError
from drone.eyefiles import pairs_by_name
from drone.messages import Image
from drone.onboard.sources import bagmessages as ros
from drone.onboard.sources.images import pair_stamps
from drone.onboard.sources.options import SourceOptions
from drone.onboard.sources.recording import Indices, Known, RawPair
from drone.onboard.track import Track

PAIR_TOLERANCE_NS = ns_from_s(0.005)
"""Capture stamps of one pair may differ by this much."""
_NO_DEFINITIONS = "ROS2_HUMBLE"
"""Release whose message definitions a bag without its own is read by."""


@dataclass(frozen=True, eq=False)
class BagPairs:
    """A `PairReader` of two image topics of a bag.

    Attributes:
        path: of the bag.
        topics: of the left and the right image.
        stamps: capture stamp of each pair's left and right image.
        notes: what is to be said of the bag.
    """

    path: Path
    topics: tuple[str, str]
    stamps: tuple[tuple[int, int], ...]
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Of the bag."""
        return str(self.path)

    @cached_property
    def stamps_ns(self) -> NDArray[np.int64]:
        """(N,): of the left images."""
        return np.array([left for left, _ in self.stamps], np.int64)

    def pairs(self, chosen: Indices) -> Iterator[RawPair]:
        """Yield the pairs of these indices; fewer where the bag is damaged.

        Raises:
            UserError: an image cannot be decoded.
        """
        pair_of = [{self.stamps[i][eye]: int(i) for i in chosen} for eye in (0, 1)]
        waiting: dict[int, dict[int, Image]] = {}
        due = iter(chosen)
        index = next(due, None)
        with _opened(self.path) as bag:
            for eye, stamp_ns, kind, message in self._messages(bag):
                pair = pair_of[eye].get(stamp_ns)
                if pair is None:
                    continue
                where = f"{self.path}: {self.topics[eye]}"
                waiting.setdefault(pair, {})[eye] = ros.image_of(message, kind, where)
                while index is not None and len(waiting.get(int(index), {})) == 2:
                    images = waiting.pop(int(index))
                    yield RawPair(images[0], images[1], self._where(int(index)))
                    index = next(due, None)
                if index is None:
                    return

    def _messages(self, bag: Any) -> Iterator[tuple[int, int, str, Any]]:
        """Yield eye, capture stamp, type and message of every image."""
        for topic, received_ns, kind, message in _read(bag, self.topics):
            stamp_ns = ros.stamp_ns(message, received_ns)
            yield self.topics.index(topic), stamp_ns, kind, message

    def _where(self, index: int) -> tuple[str, str]:
        left, right = (
            f"{self.path}: {topic} at {stamp} ns"
            for topic, stamp in zip(self.topics, self.stamps[index], strict=True)
        )
        return left, right


def open_bag(path: Path, options: SourceOptions) -> tuple[BagPairs, Known]:
    """Return the reader of a bag, and what the bag says about cameras and vehicle.

    Args:
        path: see the module's text.
        options: the topics, and whether a calibration is given.

    Raises:
        UserError: not such a bag, no topic of that name (those that are there are named), no pair
            whose stamps agree, or stamps that run backwards.
    """
    given = options.calibration is not None or options.rectified is not None
    with _opened(path) as bag:
        kinds = {c.topic: str(c.msgtype) for c in bag.connections}
        images = _image_topics(path, kinds, options)
        infos = () if given else _info_topics(images, kinds)
        notes: list[str] = []
        pose_topic = _pose_topic(path, kinds, options, notes)
        extra = (*infos, *((pose_topic,) if pose_topic else ()))
        facts = _Facts.of(bag, (*images, *extra), notes)
    reader = _paired(path, images, facts, notes)
    raw = None
    if infos and all(topic in facts.first for topic in infos):
        where = (f"{path}: {infos[0]}", f"{path}: {infos[1]}")
        rectified = all("rect" in topic.rsplit("/", 2)[-1] for topic in images)
        messages = (facts.first[infos[0]], facts.first[infos[1]])
        raw = ros.calibration_of(*messages, where, rectified)
    track = _track(facts, pose_topic, int(reader.stamps_ns[0]))
    return reader, Known(raw, f"{infos[0]}" if infos else "the calibration", track)


@dataclass
class _Facts:
    """What one pass over a bag brings: stamps by topic, and what is small enough to keep."""

    stamps: dict[str, list[int]] = field(default_factory=dict)
    first: dict[str, Any] = field(default_factory=dict)
    poses: list[NDArray[np.float64]] = field(default_factory=list)

    @classmethod
    def of(cls, bag: Any, topics: Sequence[str], notes: list[str]) -> _Facts:
        facts = cls({topic: [] for topic in topics})
        try:
            for topic, received_ns, kind, message in _read(bag, topics):
                facts.stamps[topic].append(ros.stamp_ns(message, received_ns))
                if kind == ros.CAMERA_INFO:
                    facts.first.setdefault(topic, message)
                elif kind in ros.POSES:
                    facts.poses.append(ros.pose_of(message))
        except UserError as error:
            notes.append(f"{error}; what comes before is read")
        return facts


def _paired(path: Path, topics: tuple[str, str], facts: _Facts, notes: list[str]) -> BagPairs:
    left, right = (facts.stamps[topic] for topic in topics)
    for topic in topics:
        back = np.flatnonzero(np.diff(facts.stamps[topic]) <= 0)
        if back.size:
            i = int(back[0])
            raise UserError(
                f"{path}: {topic}: stamp {facts.stamps[topic][i + 1]} follows "
                f"{facts.stamps[topic][i]}; stamps must increase"
            )
    found = pair_stamps(left, right, PAIR_TOLERANCE_NS)
    if not found:
        raise UserError(
            f"{path}: no image of {topics[0]} ({len(left)}) has a partner in {topics[1]} "
            f"({len(right)}); the stamps of a pair must be equal to {PAIR_TOLERANCE_NS / 1e6:g} ms"
        )
    alone = len(left) + len(right) - 2 * len(found)
    if alone:
        notes.append(f"{path}: {alone} images without a partner are left out")
    return BagPairs(path, topics, tuple((left[i], right[j]) for i, j in found), notes)


def _image_topics(path: Path, kinds: dict[str, str], options: SourceOptions) -> tuple[str, str]:
    images = [topic for topic, kind in kinds.items() if kind in (ros.IMAGE, ros.COMPRESSED)]
    there = ", ".join(sorted(images)) or "none"
    if options.topics is not None:
        for topic in options.topics:
            if topic not in images:
                raise UserError(f"{path}: no image topic {topic!r}; image topics there: {there}")
        if options.topics[0] == options.topics[1]:
            raise UserError(f"{path}: --topics names {options.topics[0]!r} for both eyes")
        return options.topics
    pairs, _ = pairs_by_name(images)
    if len(pairs) != 1:
        raise UserError(
            f"{path}: {'several pairs of' if pairs else 'no pair of'} left and right image topics; "
            f"right is --topics LEFT,RIGHT; image topics there: {there}"
        )
    return pairs[0]


def _info_topics(images: tuple[str, str], kinds: dict[str, str]) -> tuple[str, ...]:
    """Return the `camera_info` topics beside the image topics, or nothing."""
    raws = [topic.removesuffix("/compressed") for topic in images]
    infos = tuple(f"{topic.rpartition('/')[0]}/camera_info" for topic in raws)
    return infos if all(kinds.get(topic) == ros.CAMERA_INFO for topic in infos) else ()


def _pose_topic(
    path: Path, kinds: dict[str, str], options: SourceOptions, notes: list[str]
) -> str | None:
    poses = sorted(topic for topic, kind in kinds.items() if kind in ros.POSES)
    there = ", ".join(poses) or "none"
    wanted = options.pose_topic
    if wanted is not None and wanted not in poses:
        raise UserError(f"{path}: no pose topic {wanted!r}; pose topics there: {there}")
    if wanted is None and len(poses) > 1:
        notes.append(f"{path}: several pose topics, none is used; --pose-topic picks one: {there}")
        return None
    return wanted or (poses[0] if poses else None)


def _track(facts: _Facts, topic: str | None, start_ns: int) -> Track | None:
    if topic is None:
        return None
    return ros.track_of([t - start_ns for t in facts.stamps[topic]], facts.poses)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a bag; whatever a damaged one brings up is one clear error."""
    try:
        from rosbags.highlevel import AnyReader
        from rosbags.typesys import Stores, get_typestore
    except ImportError:
        raise UserError(
            f"{path}: reading bags needs rosbags, which is not installed: pip install 'drone[bags]'"
        ) from None
    store = get_typestore(Stores[_NO_DEFINITIONS])
    try:
        bag = AnyReader([path], default_typestore=store)
        bag.open()
    except Exception as error:
        raise UserError(f"{path}: cannot be read as a bag ({_short(error)})") from error
    try:
        yield bag
    finally:
        bag.close()


def _read(bag: Any, topics: Sequence[str]) -> Iterator[tuple[str, int, str, Any]]:
    """Yield topic, time of recording, type and content of the messages of these topics.

    Raises:
        UserError: the bag is damaged here.
    """
    connections = [c for c in bag.connections if c.topic in topics]
    messages = bag.messages(connections)
    while True:
        try:
            connection, received_ns, data = next(messages)
            message = bag.deserialize(data, connection.msgtype)
        except StopIteration:
            return
        except Exception as error:
            path = bag.paths[0]
            raise UserError(f"{path}: is damaged and ends early ({_short(error)})") from error
        yield connection.topic, int(received_ns), str(connection.msgtype), message


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 120 else text[:117] + "..."
