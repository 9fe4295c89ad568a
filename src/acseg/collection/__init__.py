"""A model over a folder of pictures: writes OUT, and goes on where a killed call was."""

from acseg.collection.whole import Outcome, run_collection

__all__ = ["Outcome", "run_collection"]
