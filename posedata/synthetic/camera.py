"""A pinhole camera, and what it makes of points in the world."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from posedata.synthetic.body import rotation_x, rotation_z

NEAREST = 0.4  # metres; what is nearer is drawn as if it were here


@dataclass(frozen=True)
class Camera:
    """Looks along its own -z; world axes as in `body`."""

    rotation: np.ndarray  # [3, 3] world to camera
    position: np.ndarray  # [3] metres
    focal: float  # pixels
    centre: tuple[float, float]  # pixels

    def project(
        self,
        points: np.ndarray,  # [N, 3] metres
        reference: float,  # metres from the camera at which depths are measured true to scale
    ) -> tuple[np.ndarray, np.ndarray]:
        """[N, 3] image x (right), y (down) and nearness, all in pixels; and [N] pixels a metre at each point."""
        local = (points - self.position) @ self.rotation.T
        distance = np.maximum(-local[:, 2], NEAREST)
        scale = self.focal / distance
        out = np.empty_like(local)
        out[:, 0] = self.centre[0] + local[:, 0] * scale
        out[:, 1] = self.centre[1] - local[:, 1] * scale
        out[:, 2] = -distance * (self.focal / reference)
        return out, scale

    def distance(self, point: np.ndarray) -> float:
        """Metres from the camera's plane to a point [3]."""
        return max(float(-(self.rotation @ (point - self.position))[2]), NEAREST)

    def finer(self, factor: int) -> Camera:
        """The same view with `factor` times as many pixels each way."""
        x, y = self.centre
        return replace(self, focal=self.focal * factor, centre=((x + 0.5) * factor - 0.5, (y + 0.5) * factor - 0.5))


def looking(
    target: np.ndarray,  # [3] metres: the point in the middle of the picture
    distance: float,  # metres
    pitch: float,  # degrees; positive = from above
    roll: float,  # degrees
    focal: float,  # pixels
    centre: tuple[float, float],  # pixels
) -> Camera:
    """A camera on the +z side of its target."""
    rotation = rotation_z(roll) @ rotation_x(pitch)
    return Camera(rotation, target + rotation.T @ (0, 0, distance), focal, centre)
