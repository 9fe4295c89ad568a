"""Class names by a text-image model (CLIP, SigLIP)."""
