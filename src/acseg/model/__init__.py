"""A model: settings, the pipeline from pictures to regions, ACSeg, the model folder."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from acseg.model.acseg import ACSeg

__all__ = ["ACSeg"]


def __getattr__(name: str) -> Any:
    """Import ACSeg at its first use, so that settings can be read without torch."""
    if name != "ACSeg":
        raise AttributeError(f"module 'acseg.model' has no attribute {name!r}")
    from acseg.model.acseg import ACSeg

    return ACSeg
