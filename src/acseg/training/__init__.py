"""Fitting the generator to a collection: cached features, the loop, checkpoints."""
