from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from acseg.errors import ImageError
from acseg.output import Output
from acseg.output.label_png import write_labels
from acseg.output.records import ClassRecord, Record, write_records
from acseg.report.legend import SIDE, exemplar_crop

RED = ClassRecord(1, "red", (213, 94, 0))


@pytest.fixture
def out(tmp_path: Path) -> Output:
    """A picture of 600 x 400 whose class 1 is a disc of 50 px at 420, 180."""
    rows, columns = np.mgrid[:400, :600]
    disc = (rows - 180) ** 2 + (columns - 420) ** 2 < 50**2
    image = np.full((400, 600, 3), 100, np.uint8)
    image[disc] = 200
    Image.fromarray(image).save(tmp_path / "photo.png")
    write_labels(tmp_path / "out/labels/a.png", disc.astype(np.uint8))
    record = Record("a.png", "ok", None, (600, 400), "labels/a.png", "../photo.png")
    write_records(tmp_path / "out/segments.jsonl", [record])
    return Output(tmp_path / "out")


def test_the_region_is_in_the_middle_outlined_and_the_rest_dimmed(out: Output) -> None:
    (record,) = out.records()
    cut = exemplar_crop(out, record, RED, (370, 130, 100, 100))
    assert cut is not None
    assert cut.size == (SIDE, SIDE)
    pixels = np.asarray(cut).astype(int)
    assert (pixels[SIDE // 2, SIDE // 2] == 200).all()
    assert (pixels[2, 2] == 40).all()
    colours = {tuple(p) for p in pixels.reshape(-1, 3)}
    assert RED.colour in colours
    assert (255, 255, 255) in colours
    marked = (pixels == RED.colour).all(-1)
    assert not marked[:8].any()  # the outline follows the region, not the frame


@pytest.mark.parametrize(
    "box", [(0, 0, 1, 1), (599, 399, 1, 1), (0, 0, 600, 400), (5000, 5000, 9, 9)]
)
def test_any_box_gives_a_crop(out: Output, box: tuple[int, int, int, int]) -> None:
    (record,) = out.records()
    for c in (1, 7):
        cut = exemplar_crop(out, record, ClassRecord(c, None, (1, 2, 3)), box)
        assert cut is not None
        assert cut.size == (SIDE, SIDE)


def test_without_the_photograph_there_is_none(out: Output) -> None:
    (record,) = out.records()
    photograph = out.photograph(record)
    assert photograph is not None
    photograph.write_text("no picture")
    with pytest.raises(ImageError, match="not a picture"):
        exemplar_crop(out, record, RED, (0, 0, 9, 9))
    photograph.unlink()
    assert exemplar_crop(out, record, RED, (0, 0, 9, 9)) is None
