"""acseg: unsupervised semantic segmentation by Adaptive Conceptualization (ACSeg, CVPR 2023)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from acseg.concepts.generator import AdaptiveConceptGenerator
    from acseg.concepts.modularity import modularity_loss
    from acseg.model.acseg import ACSeg
    from acseg.model.one_call import segment
    from acseg.model.segmentation import Segmentation

__version__ = "0.2.0"
__all__ = ["ACSeg", "AdaptiveConceptGenerator", "Segmentation", "modularity_loss", "segment"]

_HOMES = {
    "ACSeg": "acseg.model.acseg",
    "Segmentation": "acseg.model.segmentation",
    "segment": "acseg.model.one_call",
    "modularity_loss": "acseg.concepts.modularity",
    "AdaptiveConceptGenerator": "acseg.concepts.generator",
}


def __getattr__(name: str) -> Any:
    """Import a public name at its first use, so that `import acseg` does not load torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'acseg' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
