"""The commands on a folder of bad input: each file drawn or named, none lost, no traceback."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from acseg import cli
from acseg.errors import ImageError
from acseg.images.tiles import read_source
from acseg.images.walk import find_images
from acseg.names import safe_text
from acseg.output.records import read_records
from robustness.corpus import Files, build

Photos = Callable[..., Path]
Status = tuple[int, str]  # exit status, what stood on stderr


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The folder, and what shall become of each file by the name that acseg gives it."""
    folder = tmp_path_factory.mktemp("corpus")
    files: Files = build(folder)
    return folder, {safe_text(os.fsdecode(name)): wanted for name, wanted in files.items()}


@pytest.fixture
def acseg(capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Status]]:
    def run(*arguments: object) -> Status:
        with pytest.raises(SystemExit) as left:
            cli.main([str(argument) for argument in arguments])
        code = left.value.code
        return code if isinstance(code, int) else 0, capfd.readouterr().err

    return run


def test_the_corpus_is_large_and_of_all_sorts(corpus: tuple[Path, dict[str, str]]) -> None:
    _, files = corpus
    counts = {wanted: list(files.values()).count(wanted) for wanted in ("ok", "failed", "any")}
    assert len(files) >= 200
    assert counts["ok"] >= 100
    assert counts["failed"] >= 100
    assert counts["any"] <= len(files) // 4


@pytest.mark.parametrize("command", ["segment", "predict"])
def test_every_file_is_drawn_or_named(
    corpus: tuple[Path, dict[str, str]],
    acseg: Callable[..., Status],
    tiny_run: Path,
    tmp_path: Path,
    command: str,
) -> None:
    folder, files = corpus
    out = tmp_path / "out"
    run = ("segment", "--model", tiny_run) if command == "segment" else ("predict", tiny_run)
    status, err = acseg(*run, folder, "-o", out, "--device", "cpu")
    assert status == 1
    assert "Traceback" not in err
    records = {record.path: record for record in read_records(out / "segments.jsonl")}
    assert set(records) == set(files)
    wrong = {
        path: (files[path], record.error)
        for path, record in records.items()
        if files[path] not in ("any", record.status)
    }
    assert wrong == {}
    named = {line for line in err.splitlines() if line.startswith("failed: ")}
    for path, record in records.items():
        if record.status == "failed":
            assert record.error
            assert str(folder) not in record.error
            assert f"failed: {path}: {record.error}" in named
            continue
        assert record.labels is not None
        with Image.open(out / record.labels) as labels:
            assert labels.size == record.size
            assert [s.id for s in record.segments] == np.unique(np.asarray(labels)).tolist()
    assert not [path for path in out.rglob("*.part")]


def test_fit_names_what_it_cannot_read_and_fits_the_rest(
    corpus: tuple[Path, dict[str, str]],
    acseg: Callable[..., Status],
    tiny_backbone: Path,
    tmp_path: Path,
) -> None:
    folder, files = corpus
    size = ("--set", "side=40", "--classes", "3", "--steps", "2", "--set", "batch_size=2")
    status, err = acseg(
        *("fit", folder, "-o", tmp_path / "run", "--backbone", tiny_backbone, *size),
        *("--device", "cpu"),
    )
    assert status == 1
    assert "Traceback" not in err
    lines = (tmp_path / "run" / "failed.jsonl").read_text(encoding="utf-8").splitlines()
    failed = {json.loads(line)["path"] for line in lines}
    assert {path for path, wanted in files.items() if wanted == "failed"} <= failed
    assert not {path for path, wanted in files.items() if wanted == "ok"} & failed
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["notes"]["pictures"] == len(files) - len(failed)


def test_a_file_that_vanishes_after_it_was_listed_is_named(
    acseg: Callable[..., Status],
    tiny_run: Path,
    photos: Photos,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from acseg.images import stream

    folder = photos(tmp_path / "in", ["a.png", "b.png", "c.png"])
    read = stream.read_source

    def vanishing(source: Any, reading: Any) -> np.ndarray:
        if source.relative == "b.png":
            source.path.unlink()
        return read(source, reading)

    monkeypatch.setattr(stream, "read_source", vanishing)
    status, err = acseg("segment", folder, "-o", tmp_path / "out", "--model", tiny_run)
    assert (status, err) == (1, "failed: b.png: no such file\n")
    assert len(list((tmp_path / "out" / "labels").iterdir())) == 2


@pytest.mark.parametrize("command", ["segment", "predict", "fit"])
@pytest.mark.parametrize("tile", [None, "40"])
def test_a_picture_whose_features_are_not_finite_is_named(
    acseg: Callable[..., Status],
    tiny_run: Path,
    photos: Photos,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    tile: str | None,
) -> None:
    """The backbone gives NaN for whatever is all white, as a broken or half-precise one may."""
    from acseg.backbone.backbone import Backbone
    from acseg.backbone.features import Features

    folder = photos(tmp_path / "in", ["a.png", "b.png", "c.png"])
    Image.new("RGB", (70, 60), "white").save(folder / "white.png")
    forward = Backbone.forward

    def half_broken(self: Backbone, images: torch.Tensor) -> Features:
        found = forward(self, images)
        white = (images > 0.99).flatten(1).all(1).to(found.tokens.device)
        return replace(found, tokens=found.tokens.masked_fill(white[:, None, None], torch.nan))

    monkeypatch.setattr(Backbone, "forward", half_broken)
    backbone = json.loads((tiny_run / "config.json").read_text())["settings"]["encoding"][
        "backbone"
    ]
    arguments = {
        "segment": ("segment", folder, "--model", tiny_run),
        "predict": ("predict", tiny_run, folder),
        "fit": ("fit", folder, "--backbone", backbone, "--set", "side=40", "--classes", "2")
        + ("--foreground", "none"),
    }[command]
    more = () if tile is None else ("--tile", tile)
    status, err = acseg(*arguments, "-o", tmp_path / "out", "--device", "cpu", *more)
    assert status == 1
    lines = err.splitlines()
    assert len(lines) >= 1
    for line in lines:  # fit reads tiles as pictures of their own
        assert line.startswith("failed: white.png")
        assert "not finite" in line
    if command != "fit":
        assert len(list((tmp_path / "out" / "labels").iterdir())) == 3


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become someone else for a moment")
def test_what_may_not_be_opened_is_named(photos: Photos) -> None:
    root = Path(tempfile.mkdtemp())  # tmp_path lies in a folder that others may not enter
    try:
        root.chmod(0o755)
        photos(root, ["a.png", "b.png", "closed/c.png"])
        (root / "b.png").chmod(0)
        (root / "closed").chmod(0)
        os.seteuid(65534)
        try:
            sources, failures = find_images([root, root / "closed" / "c.png"])
            found = {source.relative: source for source in sources}
            with pytest.raises(ImageError, match=r"b\.png: permission denied"):
                read_source(found["b.png"])
            assert read_source(found["a.png"]).shape == (48, 40, 3)
        finally:
            os.seteuid(0)
        assert sorted(found) == ["a.png", "b.png"]
        assert [failure.path for failure in failures] == [
            str(root / "closed"),
            str(root / "closed" / "c.png"),
        ]
        assert all("ermission denied" in failure.reason for failure in failures)
    finally:
        shutil.rmtree(root)
