"""Label Studio: tasks with the regions as predictions of the brush, and the labelling interface."""

import json
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import numpy as np

from acseg.export.brush import pack_brush
from acseg.export.format import Format, Options
from acseg.export.regions import find_regions
from acseg.export.source import Labelled, Legend
from acseg.output.atomic import AtomicFile, write_atomic


class LabelStudio(Format):
    """Label Studio's JSON of tasks, and the XML of a labelling interface that fits.

    Into a folder: ``tasks.json`` and ``interface.xml``; into a file NAME.json: NAME.xml beside it.
    """

    suffix: ClassVar[str | None] = ".json"
    reads: ClassVar[frozenset[str]] = frozenset({"instances", "image_url"})

    def __init__(self, target: Path, legend: Legend, options: Options) -> None:
        super().__init__(target, legend, options)
        alone = self.is_file(target)
        self._interface = target.with_suffix(".xml") if alone else target / "interface.xml"
        self._tasks = 0
        self._file = AtomicFile(target if alone else target / "tasks.json")
        self._file.write("[")

    @classmethod
    def places(cls, target: Path) -> list[tuple[Path, bool]]:
        """List the file of the tasks and that of the interface, or the folder of both."""
        if not cls.is_file(target):
            return [(target, True)]
        return [(target, False), (target.with_suffix(".xml"), False)]

    def add(self, picture: Labelled) -> None:
        """Write the task of one picture."""
        found = find_regions(picture.labels, self.options.instances)
        sure = {s.id: s.confidence for s in picture.record.segments}
        height, width = picture.labels.shape
        results = []
        for region, (_, runs) in zip(found.regions, found.runs("C"), strict=True):
            result: dict[str, Any] = {
                "id": f"p{picture.number}r{region.number}",
                "type": "brushlabels",
                "from_name": "label",
                "to_name": "image",
                "original_width": width,
                "original_height": height,
                "image_rotation": 0,
                "value": {
                    "format": "rle",
                    "rle": pack_brush(runs),
                    "brushlabels": [self.legend.names[region.label]],
                },
            }
            if sure.get(region.label) is not None:
                result["score"] = sure[region.label]
            results.append(result)
        prediction: dict[str, Any] = {"model_version": "acseg", "result": results}
        known = [(s.confidence, s.area) for s in picture.record.segments if s.confidence]
        if known:
            values, areas = np.array(known).T
            prediction["score"] = round(float(values @ areas / areas.sum()), 4)
        task = {
            "data": {"image": self.options.image_url + quote(picture.path)},
            "predictions": [prediction],
        }
        self._file.write((",\n" if self._tasks else "\n") + json.dumps(task))
        self._tasks += 1

    def finish(self) -> None:
        """Write the labelling interface."""
        self._file.write("\n]\n")
        self._file.keep()
        labels = "".join(
            f"    <Label value={quoteattr(self.legend.names[label])} "
            f'background="#{self.legend.colours[label].tobytes().hex()}"/>\n'
            for label in sorted(self.seen)
        )
        write_atomic(
            self._interface,
            '<View>\n  <Image name="image" value="$image" zoom="true"/>\n'
            f'  <BrushLabels name="label" toName="image">\n{labels}  </BrushLabels>\n</View>\n',
        )

    def discard(self) -> None:
        """Remove the JSON file if it is not whole."""
        self._file.discard()
