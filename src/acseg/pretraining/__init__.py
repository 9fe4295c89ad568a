"""Self-supervised pre-training of a small ViT whose pixels group as unsupervised regions do."""
