import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from acseg.errors import DataError
from acseg.output.records import ClassRecord, Record, write_classes, write_records
from acseg.report.terminal import half_blocks, show_output
from acseg.segmentation import Segmentation


def pieces(picture: np.ndarray, columns: int, lines: int) -> np.ndarray:
    """What the characters show, two pixels each: (h, w, 3)."""
    rows: list[list[list]] = [[], []]
    found = []
    for piece in half_blocks(picture, columns, lines).segments:
        if piece.text == "\n":
            found += rows
            rows = [[], []]
            continue
        assert piece.text == "▀"
        assert piece.style is not None
        for row, colour in zip(rows, (piece.style.color, piece.style.bgcolor), strict=True):
            assert colour is not None
            row.append(list(colour.get_truecolor()))
    return np.array(found)


def test_two_pixels_a_character() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    np.testing.assert_array_equal(pieces(picture, 5, 3), picture)


@pytest.mark.parametrize(
    ("size", "room", "shown"),
    [
        ((600, 800), (40, 50), (30, 40)),  # as wide as it may be
        ((600, 800), (80, 10), (20, 27)),  # as high
        ((1, 1000), (40, 10), (2, 40)),
        ((1000, 1), (40, 10), (20, 1)),
        ((4, 4), (10, 10), (10, 10)),  # enlarged
    ],
)
def test_it_fits_and_keeps_its_shape(size, room, shown) -> None:
    assert pieces(np.zeros((*size, 3), np.uint8), *room).shape[:2] == shown


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder, records = tmp_path / "out", []
    for n in range(6):
        labels = np.zeros((30, 40), int)
        labels[:9] = 4
        image = np.full((30, 40, 3), 128, np.uint8)
        found = Segmentation(labels, image, "classes", {4: 0.5}, {4: "sky"})
        (folder / "overlays").mkdir(parents=True, exist_ok=True)
        found.overlay().save(folder / "overlays" / f"{n}.jpg")
        records.append(found.record(f"day/{n}.png" if n == 5 else f"{n}.png"))
    (folder / "overlays" / "day").mkdir()
    found.overlay().save(folder / "overlays" / "day" / "5.jpg")
    write_records(folder / "segments.jsonl", [Record.failed("x.jpg", "broken"), *records])
    return folder


def terminal(**settings) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", **settings)


def text(console: Console) -> str:
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_overlays_with_legend_on_a_terminal(out: Path) -> None:
    console = terminal(width=60, height=30)
    assert show_output(out, console, limit=3) == 0
    shown = text(console)
    assert [name in shown for name in ("0.png", "2.png", "4.png")] == [True] * 3
    assert "1.png" not in shown
    assert "x.jpg" not in shown
    assert shown.count("▀") == 3 * 60 * 22
    assert "class 0 70%" in shown
    assert "sky 30%" in shown
    assert shown.index("class 0") < shown.index("sky")
    assert "38;2;" in shown


def test_the_background_is_called_as_in_the_table_of_classes(out: Path) -> None:
    background = ClassRecord(0, "background", (0, 0, 0), 0.7)
    write_classes(out / "classes.json", [background, ClassRecord(4, None, (1, 1, 1), 0.3)])
    console = terminal(width=60, height=30)
    show_output(out, console, limit=1)
    assert "background 70%" in text(console)
    assert "sky 30%" in text(console)


def test_the_picture_is_no_wider_than_asked(out: Path) -> None:
    console = terminal(width=200, height=90)
    show_output(out, console, limit=1, width=20)
    lines = [line for line in text(console).splitlines() if "▀" in line]
    assert {line.count("▀") for line in lines} == {20}


def test_only_words_where_there_is_no_terminal(out: Path) -> None:
    console = Console(file=io.StringIO(), width=80)
    assert show_output(out, console, limit=2) == 0
    assert text(console).splitlines()[:2] == ["0.png", "  ■ class 0 70%   ■ sky 30%"]
    assert "▀" not in text(console)


def test_pictures_can_be_chosen_by_name(out: Path) -> None:
    console = terminal(width=60, height=30)
    show_output(out, console, picture="day/")
    assert "day/5.png" in text(console)
    assert "0.png" not in text(console)


def test_an_overlay_that_is_gone_is_said_and_counted(out: Path) -> None:
    (out / "overlays" / "0.jpg").unlink()
    console = terminal(width=80, height=30)
    assert show_output(out, console) == 1
    assert "it has no overlay" in text(console)
    with pytest.raises(DataError, match=r"segments\.jsonl"):
        show_output(out / "labels", console)
