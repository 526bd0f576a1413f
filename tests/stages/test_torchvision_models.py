"""Models of torchvision by name, without any network: what is said when their weights are missing, and that they work
where the file lies in torchvision's folder."""

from __future__ import annotations

from urllib.error import URLError

import cv2
import numpy as np
import pytest
import torch
from torchvision.models import detection, get_model, get_model_weights, list_models

from configs.models import find_model, model_table
from configs.settings import DetectSettings, PoseSettings
from posedata.errors import BadInput, UsageError
from posedata.people import FramePeople
from stages.detect.detector import make_detector
from stages.device import Runtime
from stages.pose.estimator import make_estimator
from stages.pose.keypoint_rcnn import KeypointRcnnEstimator
from stages.torchvision_weights import weights_file

RUN = Runtime(torch.device("cpu"), False, 2)
SMALL = "ssdlite320_mobilenet_v3_large"


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """An empty folder of torchvision's, and no network."""

    def unreachable(*_: object, **__: object) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    return tmp_path


@pytest.mark.parametrize("stage", ["detect", "pose"])
def test_without_network_the_error_says_what_to_fetch_and_where_to_put_it(offline, stage):
    name = SMALL if stage == "detect" else "keypointrcnn_resnet50_fpn"
    url, file = weights_file(name)
    with pytest.raises(BadInput) as error:
        if stage == "detect":
            make_detector(DetectSettings(model=name), RUN)
        else:
            make_estimator(PoseSettings(model=name), RUN)
    text = str(error.value)
    assert url in text and str(file.parent) in text and str(offline) in text
    assert "Name or service not known" in text and "\n" not in text


def test_a_file_that_lies_there_is_used_and_a_damaged_one_is_named(offline):
    torch.manual_seed(0)
    _, file = weights_file(SMALL)
    file.parent.mkdir(parents=True)
    torch.save(get_model(SMALL, weights=None, weights_backbone=None).state_dict(), file)
    detector = make_detector(DetectSettings(model=SMALL, min_box_score=0.0), RUN)
    frames = [np.random.default_rng(n).integers(0, 255, (90, 120 + n, 3), np.uint8) for n in range(3)]
    found = detector.detect(frames)
    assert len(found) == 3
    for image, people in zip(frames, found):
        assert (people.boxes >= 0).all() and (people.boxes[:, 2:] <= (image.shape[1] - 1, image.shape[0] - 1)).all()
    file.write_bytes(b"nothing")
    with pytest.raises(BadInput, match="is damaged; delete it"):
        make_detector(DetectSettings(model=SMALL), RUN)


def test_every_detection_model_of_torchvision_is_in_the_table():
    known = {entry.name for entry in model_table() if entry.stage == "detect" and entry.weights == "torchvision"}
    assert known == set(list_models(module=detection))
    for name in known:
        assert get_model_weights(name).DEFAULT.meta["categories"][1] == "person"


def test_torchvision_weights_are_no_checkpoint():
    with pytest.raises(UsageError, match="through torchvision"):
        make_estimator(PoseSettings(model="keypointrcnn_resnet50_fpn", checkpoint="some.pth"), RUN)


def test_keypoints_on_given_boxes_are_those_that_the_whole_network_gives_on_its_own():
    torch.manual_seed(1)
    network = detection.keypointrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, min_size=96, max_size=128, box_score_thresh=0.0, box_detections_per_img=3
    ).eval()
    entry = find_model("keypointrcnn_resnet50_fpn", "pose")
    estimator = KeypointRcnnEstimator(network, entry, PoseSettings(), RUN)
    small = np.random.default_rng(2).integers(0, 255, (7, 9, 3), np.uint8)
    images = [cv2.resize(small, (140, 110)), cv2.resize(small, (100, 120))]
    with torch.inference_mode():  # one at a time: a batch is padded to its largest picture
        own = [network([torch.from_numpy(i.transpose(2, 0, 1).copy()).float() / 255])[0] for i in images]
    boxes = [result["boxes"].numpy() - 0.5 for result in own]
    assert all(len(part) for part in boxes)
    keypoints, scores = estimator.joints_of(images, boxes)
    want = np.concatenate([result["keypoints"][..., :2].numpy() for result in own]) - 0.5
    assert np.abs(keypoints - want).max() < 0.1
    logits = torch.cat([result["keypoints_scores"] for result in own])
    assert scores == pytest.approx(logits.sigmoid().numpy(), abs=1e-3)
    posed = estimator.estimate(images, [FramePeople(boxes=b, box_scores=np.ones(len(b))) for b in boxes])
    assert all(1 <= len(p) <= len(b) and p.keypoints.shape[1:] == (17, 2) for p, b in zip(posed, boxes))
    nobody = estimator.joints_of(images, [np.zeros((0, 4), np.float32)] * 2)
    assert nobody[0].shape == (0, 17, 2)
