"""Drawing people into a frame: skeletons, boxes and labels, in place, only where they are."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from posedata.people import FramePeople
from posedata.skeletons import Skeleton
from stages.render.colours import Colour, identity_colour, ink_on, shade

_SHIFT = 4  # binary digits after the point of the coordinates given to OpenCV
_OUTLINE: Colour = (16, 16, 16)
_UNTRACKED: Colour = (84, 204, 255)  # people of a record without identities: one colour for all
_SIDE_SHADE = {"left": 0.4, "": 0.0, "right": -0.35}  # one looks at left and right limbs without reading names
_FACE = {"nose", "left_eye", "right_eye", "left_ear", "right_ear"}
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_HEIGHT = 22.0  # pixels of a capital letter at font scale 1, about


@dataclass(frozen=True)
class Style:
    """What is drawn, and of whom."""

    min_keypoint_score: float = 0.2
    min_person_score: float = 0.0
    show_boxes: bool = True
    show_ids: bool = True
    show_unassigned: bool = True  # people without identity, in grey


@dataclass(frozen=True)
class _Scale:
    """Sizes in pixels that follow from the frame's and the person's size."""

    line: int
    dot: int
    face: int  # the dots of the face, which lie close together
    outline: int  # on each side

    @classmethod
    def of(cls, height: float, frame_side: int) -> _Scale:
        line = int(np.clip(round(1 + height / 120), 1, max(2, round(frame_side / 150))))
        return cls(line=line, dot=line + 2 + line // 2, face=line + 1, outline=0 if line < 2 else max(1, line // 4))


def draw_people(
    image: np.ndarray,  # [H, W, 3] uint8 RGB, drawn into
    people: FramePeople,  # in the image's pixels
    skeleton: Skeleton | None,  # None for people without keypoints
    style: Style,
) -> None:
    """Draws the people, those whose box ends further down (who are nearer, mostly) over the others.

    Raises:
        ValueError: the people have keypoints, and not those of the skeleton.
    """
    if people.keypoints is not None and (skeleton is None or people.keypoints.shape[1] != len(skeleton)):
        known = "no skeleton" if skeleton is None else f"{skeleton.name} with {len(skeleton)}"
        raise ValueError(f"the people have {people.keypoints.shape[1]} joints, they are drawn as {known}")
    people = _chosen(people, style)
    if not len(people):
        return
    height, width = image.shape[:2]
    reach = np.array([width, height], np.float64)
    extents = [_extent(people, row, style.min_keypoint_score) for row in range(len(people))]
    order = sorted(range(len(people)), key=lambda row: extents[row][3])
    colours = [_colour(people, row) for row in range(len(people))]
    for row in order:
        if style.show_boxes and people.boxes is not None:
            _draw_box(image, people.boxes[row], colours[row])
        if people.keypoints is not None:
            points = people.keypoints[row].astype(np.float64)
            scores = None if people.keypoint_scores is None else people.keypoint_scores[row]
            # A joint further out than the frame is large only makes OpenCV walk long lines that nobody sees.
            visible = ((points > -reach) & (points < 2 * reach)).all(axis=1)
            if scores is not None:
                visible &= scores >= style.min_keypoint_score
            size = extents[row][3] - extents[row][1]
            _draw_skeleton(image, points, visible, skeleton, colours[row], _Scale.of(size, min(width, height)))
    if style.show_ids:
        placed: list[tuple[int, int, int, int]] = []
        for row in reversed(order):  # the nearest first: they keep the best place
            if text := _label(people, row):
                _draw_label(image, text, extents[row], colours[row], placed)


def draw_text(
    image: np.ndarray,  # [H, W, 3] uint8 RGB, drawn into
    text: str,  # ASCII
    left: int,
    top: int,
    height: float,  # of a capital letter, pixels
    ink: Colour,
    ground: Colour | None = None,  # None: the picture beneath, darkened
) -> None:
    """A line of text on a filled strip that keeps it legible; what does not fit in the image is cut off."""
    width, strip = text_extent(text, height)
    view = image[max(top, 0) : max(top + strip, 0), max(left, 0) : max(left + width, 0)]
    if ground is None:
        np.right_shift(view, 2, out=view)
    else:
        view[:] = ground
    scale, thick = _font(height)
    margin = _margin(height)
    baseline = top + strip - margin
    cv2.putText(image, text, (left + margin, baseline), _FONT, scale, ink, thick, cv2.LINE_AA)


def text_extent(text: str, height: float) -> tuple[int, int]:
    """Width and height in pixels of the strip that `draw_text` fills."""
    scale, thick = _font(height)
    (width, tall), _ = cv2.getTextSize(text, _FONT, scale, thick)
    return width + 2 * _margin(height), tall + 2 * _margin(height)


def text_height(image: np.ndarray) -> float:
    """The height of a capital letter that suits the frame, pixels."""
    return float(np.clip(min(image.shape[:2]) / 62, 7.5, 22))


def _chosen(people: FramePeople, style: Style) -> FramePeople:
    keep = np.ones(len(people), bool)
    scores = people.person_scores if people.person_scores is not None else people.box_scores
    if scores is not None:
        keep &= scores >= style.min_person_score
    if people.track_ids is not None and not style.show_unassigned:
        keep &= people.track_ids >= 0
    return people if keep.all() else people.take(keep)


def _colour(people: FramePeople, row: int) -> Colour:
    return _UNTRACKED if people.track_ids is None else identity_colour(int(people.track_ids[row]))


def _label(people: FramePeople, row: int) -> str:
    scores = people.person_scores if people.person_scores is not None else people.box_scores
    parts = []
    if people.track_ids is not None and people.track_ids[row] >= 0:
        parts.append(f"#{people.track_ids[row]}")
    if scores is not None:
        parts.append(f"{scores[row]:.2f}")
    return "  ".join(parts)


def _extent(
    people: FramePeople,
    row: int,
    min_score: float,
) -> tuple[float, float, float, float]:
    """The person's box, or the smallest around the joints that are drawn."""
    if people.boxes is not None:
        return tuple(people.boxes[row].tolist())
    if people.keypoints is None:
        return (0.0, 0.0, 0.0, 0.0)
    points = people.keypoints[row]
    if people.keypoint_scores is not None:
        points = points[people.keypoint_scores[row] >= min_score]
    if not len(points):
        return (0.0, 0.0, 0.0, 0.0)
    return (*points.min(axis=0).tolist(), *points.max(axis=0).tolist())


def _draw_box(
    image: np.ndarray,
    box: np.ndarray,  # [4] xyxy
    colour: Colour,
) -> None:
    height, width = image.shape[:2]
    limit = np.array([width, height, width, height])
    left, top, right, bottom = np.clip(np.round(box), -limit, 2 * limit).astype(int).tolist()
    cv2.rectangle(image, (left, top), (right, bottom), colour, 1 if min(width, height) < 400 else 2)


def _draw_skeleton(
    image: np.ndarray,
    points: np.ndarray,  # [K, 2]
    visible: np.ndarray,  # [K] bool
    skeleton: Skeleton,
    colour: Colour,
    scale: _Scale,
) -> None:
    fixed = np.round(points * (1 << _SHIFT)).astype(np.int32)
    limbs = [
        (fixed[[a, b]], _side(skeleton.joints[a], skeleton.joints[b]))
        for a, b in skeleton.limb_indices.tolist()
        if visible[a] and visible[b]
    ]
    # OpenCV draws a line of no length as a round dot: all dots of one colour are one call
    dots = [
        (fixed[[k, k]], _side(joint, joint), joint in _FACE) for k, joint in enumerate(skeleton.joints) if visible[k]
    ]
    if scale.outline:
        _lines(image, [line for line, _ in limbs], _OUTLINE, scale.line + 2 * scale.outline)
        for face in (False, True):
            chosen = [dot for dot, _, of_face in dots if of_face == face]
            _lines(image, chosen, _OUTLINE, (scale.face if face else scale.dot) + 2 * scale.outline)
    for side, amount in _SIDE_SHADE.items():
        shaded = shade(colour, amount)
        _lines(image, [line for line, where in limbs if where == side], shaded, scale.line)
        _lines(image, [dot for dot, where, of_face in dots if where == side and not of_face], shaded, scale.dot)
        _lines(image, [dot for dot, where, of_face in dots if where == side and of_face], shaded, scale.face)


def _side(first: str, second: str) -> str:
    """The side of the body that a limb belongs to; empty for one that joins both or neither."""
    sides = {joint.split("_")[0] for joint in (first, second)} & {"left", "right"}
    return sides.pop() if len(sides) == 1 else ""


def _lines(
    image: np.ndarray,
    lines: list[np.ndarray],  # each [2, 2] int32, fixed point
    colour: Colour,
    thickness: int,
) -> None:
    if lines:
        cv2.polylines(image, lines, False, colour, thickness, cv2.LINE_AA, _SHIFT)


def _draw_label(
    image: np.ndarray,
    text: str,
    extent: tuple[float, float, float, float],
    colour: Colour,
    placed: list[tuple[int, int, int, int]],  # labels drawn before; this one is added
) -> None:
    """The label above the person's box, or at the next of its corners that is free and inside the frame."""
    height, width = image.shape[:2]
    letters = text_height(image)
    wide, tall = text_extent(text, letters)
    left, top, right, bottom = (round(min(max(v, -1e6), 1e6)) for v in extent)
    if right < 0 or bottom < 0 or left >= width or top >= height:
        return
    corners = [(left, top - tall), (right - wide, top - tall), (left, top), (left, bottom), (right - wide, bottom)]
    places = [(min(max(x, 0), max(width - wide, 0)), y) for x, y in corners]
    free = [
        (x, y)
        for x, y in places
        if 0 <= y <= height - tall
        and not any(x < p[2] and x + wide > p[0] and y < p[3] and y + tall > p[1] for p in placed)
    ]
    x, y = free[0] if free else (places[2][0], min(max(top, 0), max(height - tall, 0)))
    placed.append((x, y, x + wide, y + tall))
    draw_text(image, text, x, y, letters, ink_on(colour), colour)


def _font(height: float) -> tuple[float, int]:
    return height / _FONT_HEIGHT, 2 if height > 15 else 1


def _margin(height: float) -> int:
    return max(2, round(height / 3))
