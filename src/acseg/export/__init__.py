"""Results in the formats of other tools: a picture in memory here, a folder by `export_results`."""

from acseg.export.single import to_coco, to_polygons, to_supervision

__all__ = ["to_coco", "to_polygons", "to_supervision"]
