"""Regions of concepts become classes: descriptors, foreground, k-means, k-NN, text, probe."""
