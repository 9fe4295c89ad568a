from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from acseg.errors import DataError
from acseg.model.segmentation import Segmentation
from acseg.output.records import Record, write_records
from acseg.report.sheets import write_sheets

Make = Callable[[int], Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """An output folder with so many pictures, red ones with one green concept."""

    def out(pictures: int) -> Path:
        folder = tmp_path / "out"
        records = [Record.failed("broken.jpg", "no picture")]
        for n in range(pictures):
            image = np.full((30, 40, 3), (200, 0, 0), np.uint8)
            Image.fromarray(image).save(tmp_path / f"{n}.png")
            found = Segmentation(np.zeros((30, 40), int), image, colours={0: (0, 200, 0)})
            found.save(folder / "labels" / f"{n}.png")
            (folder / "overlays").mkdir(exist_ok=True)
            found.overlay(strength=1).save(folder / "overlays" / f"{n}.jpg")
            labels = f"labels/{n}.png"
            records.append(found.record(f"{n}.png", labels=labels, source=f"../{n}.png"))
        write_records(folder / "segments.jsonl", records)
        return folder

    return out


def test_every_picture_is_on_a_sheet_beside_its_overlay(make: Make) -> None:
    told = []
    sheets, failed = write_sheets(
        make(5), columns=2, side=120, per_sheet=4, progress=lambda *one: told.append(one)
    )
    assert failed == []
    assert [path.name for path in sheets] == ["1.jpg", "2.jpg"]
    assert told[-1] == (5, 5)
    for path, count in zip(sheets, (4, 1), strict=True):
        pixels = np.asarray(Image.open(path)).astype(int)
        for colour in ((200, 0, 0), (0, 200, 0)):
            near = (abs(pixels - colour).max(axis=-1) < 40).sum()
            assert near == pytest.approx(count * 120 * 90, rel=0.05)


def test_sheets_of_an_earlier_call_go(make: Make) -> None:
    out = make(5)
    write_sheets(out, per_sheet=1)
    write_sheets(out, per_sheet=3)
    assert sorted(path.name for path in (out / "sheets").iterdir()) == ["1.jpg", "2.jpg"]


def test_a_picture_that_is_gone_is_named_and_the_others_shown(make: Make) -> None:
    out = make(3)
    (out / "../1.png").unlink()
    (out / "overlays/2.jpg").unlink()
    sheets, failed = write_sheets(out)
    assert len(sheets) == 1
    assert [path for path, _ in failed] == ["1.png", "2.png"]
    assert "not where its record says" in failed[0][1]
    assert "it has no overlay" in failed[1][1]


def test_nothing_to_show_is_said_with_the_reason(make: Make) -> None:
    out = make(1)
    (out / "../0.png").unlink()
    with pytest.raises(DataError, match=r"no picture to show: 0\.png: .*not where its record"):
        write_sheets(out)
    with pytest.raises(DataError, match="no picture to show"):
        write_sheets(make(0))
