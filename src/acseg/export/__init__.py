"""Results in the formats of other tools: a picture in memory here, a folder by `export_results`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from acseg.export.single import to_coco, to_polygons, to_supervision

__all__ = ["to_coco", "to_polygons", "to_supervision"]


def __getattr__(name: str) -> Any:
    """Import a function at its first use, so that exporting a folder does not load torch."""
    if name not in __all__:
        raise AttributeError(f"module 'acseg.export' has no attribute {name!r}")
    from acseg.export import single

    return getattr(single, name)
