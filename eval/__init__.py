"""Scoring: poseval's AP and CLEAR MOT, keypoint HOTA, COCO OKS AP, MPII PCKh. Never imports torch."""
