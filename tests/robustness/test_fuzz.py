"""Fuzzing: whatever the bytes are, a picture or one clear error comes out, and in bounded time."""

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from acseg.errors import AcsegError, DataError, ImageError, ModelError
from acseg.export.export import FORMATS, export_results
from acseg.images.bands import Reading
from acseg.images.read import read_image
from acseg.model.folder import ModelFolder, read_model_folder, write_model_folder
from acseg.model.settings import GROUPS, NAMES, Settings
from acseg.output.label_png import read_labels, write_labels
from acseg.output.png import PngRows, PngWriter
from acseg.output.records import Record, Segment, read_classes, read_records, write_records
from acseg.report.html import write_report
from robustness.corpus import encoded, scene

EXAMPLES = int(os.environ.get("ACSEG_FUZZ", "60"))  # of each test; by night some thousand

bounded = settings(
    max_examples=EXAMPLES,
    deadline=5000,  # ms for one example: nothing hangs
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

Edit = tuple[float, bytes, int]  # where, as a share of the length; what is put there; how many go
edits = st.lists(
    st.tuples(st.floats(0, 1), st.binary(max_size=9), st.integers(0, 40)), min_size=1, max_size=6
)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)


def edited(data: bytes, changes: list[Edit]) -> bytes:
    """Replace pieces of a file."""
    for where, new, gone in changes:
        place = round(where * len(data))
        data = data[:place] + new + data[place + gone :]
    return data


def sound_files() -> list[bytes]:
    picture = scene(3, (24, 20))
    files = [
        encoded(picture, kind, **more)
        for kind, more in (
            ("JPEG", {}), ("PNG", {}), ("WEBP", {}), ("TIFF", {}), ("BMP", {}), ("GIF", {}),
            ("TIFF", {"compression": "tiff_adobe_deflate"}), ("PPM", {}), ("JPEG2000", {}),
            ("PNG", {"exif": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"}),
        )
    ]  # fmt: skip
    tifffile = pytest.importorskip("tifffile")
    stream = io.BytesIO()
    values = np.arange(40 * 48 * 5, dtype=np.uint16).reshape(40, 48, 5)
    tifffile.imwrite(stream, values, tile=(16, 16), photometric="minisblack", compression="deflate")
    return [*files, stream.getvalue()]


SOUND = sound_files()


@bounded
@given(
    data=st.sampled_from(SOUND),
    changes=edits,
    reading=st.sampled_from([Reading(), Reading((3, 2, 1), (2, 98)), Reading((5,)), Reading((9,))]),
    short_side=st.none() | st.integers(1, 64),
)
def test_the_reader(
    data: bytes, changes: list[Edit], reading: Reading, short_side: int | None
) -> None:
    try:
        image = read_image(edited(data, changes), reading=reading, short_side=short_side)
    except ImageError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert image.shape[2] == 3


@bounded
@given(start=st.sampled_from([data[:n] for data in SOUND for n in (2, 8, 30)]), rest=st.binary())
def test_the_reader_on_a_good_beginning(start: bytes, rest: bytes) -> None:
    try:
        assert read_image(start + rest).shape[2] == 3
    except ImageError as error:
        assert "\n" not in str(error)  # noqa: PT017


@pytest.fixture(scope="module")
def a_run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("run")
    weights = {"prototypes": np.ones((5, 6), np.float32), "a.b": np.zeros(3, np.float32)}
    settings = Settings.of({"division": "generator", "concepts": 5})
    centres = np.ones((2, 6), np.float32)
    write_model_folder(folder, ModelFolder(settings, weights, centres, "mean", {1: "road"}))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@bounded
@given(name=st.sampled_from(["config.json", "generator.safetensors", "classes.safetensors"]),
       changes=edits)  # fmt: skip
def test_the_run_loader_on_changed_bytes(
    a_run: dict[str, bytes], tmp_path: Path, name: str, changes: list[Edit]
) -> None:
    for other, data in a_run.items():
        (tmp_path / other).write_bytes(edited(data, changes) if other == name else data)
    try:
        assert isinstance(read_model_folder(tmp_path), ModelFolder)
    except ModelError as error:
        assert "\n" not in str(error)  # noqa: PT017


@bounded
@given(st.dictionaries(st.sampled_from(NAMES), trees), trees, trees)
def test_the_run_loader_on_other_values(
    a_run: dict[str, bytes], tmp_path: Path, changed: dict[str, Any], names: Any, becomes: Any
) -> None:
    config = json.loads(a_run["config.json"])
    for name, value in changed.items():
        group = next((g for g, own in GROUPS.items() if name in own.__dataclass_fields__), None)
        (config["settings"] if group is None else config["settings"][group])[name] = value
    config |= {"names": names, "becomes": becomes}
    for name, data in (a_run | {"config.json": json.dumps(config).encode()}).items():
        (tmp_path / name).write_bytes(data)
    try:
        found = read_model_folder(tmp_path)
    except ModelError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert isinstance(found.settings, Settings)
        assert all(isinstance(name, str) for name in found.names.values())


SEGMENT = Segment(id=1, area=0.5, box=(0, 0, 8, 4), confidence=0.5, name="road")
RECORD = Record(
    *("sub/a.png", "ok", None, (8, 8), "labels/sub/a.png", "../a.png", "classes", (SEGMENT,))
)


@bounded
@given(changes=edits)
def test_the_records_reader_on_changed_bytes(tmp_path: Path, changes: list[Edit]) -> None:
    path = write_records(tmp_path / "segments.jsonl", [RECORD, RECORD])
    path.write_bytes(edited(path.read_bytes(), changes))
    try:
        records = read_records(path)
    except DataError as error:
        assert str(path) in str(error)  # noqa: PT017
    else:
        assert all(isinstance(record, Record) for record in records)


@bounded
@given(
    st.dictionaries(
        st.sampled_from(["path", "status", "size", "labels", "source", "classes", "error"]), trees
    ),
    trees,
)
def test_records_of_other_values_make_a_report_or_one_error(
    tmp_path: Path, changed: dict[str, Any], classes: Any
) -> None:
    """Whatever is read can be read by all that follows: the report, and each export."""
    out = tmp_path / "out"
    path = write_records(out / "segments.jsonl", [RECORD])
    line = json.loads(path.read_text(encoding="utf-8")) | changed
    path.write_text(json.dumps(line) + "\n", encoding="utf-8")
    write_labels(out / "labels" / "sub" / "a.png", np.eye(8, dtype=np.uint8))
    (out / "classes.json").write_text(json.dumps({"format": 1, "classes": classes}))
    try:
        read_classes(out / "classes.json")
    except DataError as error:
        assert "classes.json" in str(error)  # noqa: PT017
        (out / "classes.json").unlink()
    try:
        write_report(out)
    except AcsegError as error:
        assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.parametrize("format", sorted(FORMATS))
@settings(bounded, max_examples=max(1, EXAMPLES // 4))
@given(changes=edits, which=st.sampled_from(["segments.jsonl", "labels/sub/a.png", "a.png"]))
def test_the_exports(
    tmp_path_factory: pytest.TempPathFactory, format: str, changes: list[Edit], which: str
) -> None:
    root = tmp_path_factory.mktemp("export")
    out = root / "out"
    write_records(out / "segments.jsonl", [RECORD])
    write_labels(out / "labels" / "sub" / "a.png", np.eye(8, dtype=np.uint8))
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(out / "a.png")
    (out / "a.png").rename(root / "a.png")
    path = root / "a.png" if which == "a.png" else out / which
    path.write_bytes(edited(path.read_bytes(), changes))
    target = root / ("all.json" if format in ("coco", "label-studio") else "target")
    try:
        done = export_results(out, target, format=format)
    except AcsegError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert done.written + len(done.failed) + len(done.left_out) <= 1


@bounded
@given(changes=edits)
def test_the_readers_of_label_maps(tmp_path: Path, changes: list[Edit]) -> None:
    labels = np.arange(30 * 20, dtype=np.uint8).reshape(30, 20) % 7
    with PngWriter(tmp_path / "a.png", 30, 20, np.zeros((256, 3), np.uint8)) as png:
        png.write(labels[:11])
        png.write(labels[11:])
    path: Path = tmp_path / "a.png"
    path.write_bytes(edited(path.read_bytes(), changes))
    readers: list[Callable[[], np.ndarray]] = [
        lambda: read_labels(path),
        lambda: PngRows(path).read() if len(path.read_bytes()) < 10**4 and small(path) else labels,
    ]
    for read in readers:
        try:
            assert read().ndim == 2
        except (ImageError, ValueError) as error:
            assert "\n" not in str(error)  # noqa: PT017


def small(path: Path) -> bool:
    """Whether the head of a PNG, which may be changed, promises few pixels."""
    rows = PngRows(path)
    return rows.height * rows.width < 10**7
