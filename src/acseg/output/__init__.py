"""The output folder: everything that `segment` and `predict` write, and the one reader of it."""

from acseg.output.output import Output

__all__ = ["Output"]
