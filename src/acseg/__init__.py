"""acseg: unsupervised semantic segmentation by Adaptive Conceptualization (ACSeg, CVPR 2023)."""

__version__ = "0.1.0"
