"""Merges and drops in an output folder are taken back as if they had never been."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from acseg import ACSeg
from acseg.classes.edits import Edits
from acseg.collection import run_collection
from acseg.collection.predicted import FOLDER
from acseg.collection.redraw import carry_into
from acseg.output import Output
from acseg.output.label_png import read_labels, write_labels


@pytest.fixture
def out(tmp_path: Path, tiny_backbone: Path, photos: Callable[..., Path]) -> Path:
    """Two pictures predicted with three classes."""
    folder = photos(tmp_path / "photos", ["a.png", "sub/b.png"], size=(60, 80))
    run_collection(made(tiny_backbone), [folder], tmp_path / "out", kind="classes")
    return tmp_path / "out"


def made(backbone: Path) -> ACSeg:
    model = ACSeg(str(backbone), side=40, device="cpu", precision="float32")
    dim = model.pipeline.backbone.dim
    model.centres_ = np.random.default_rng(0).normal(size=(3, dim)).astype(np.float32)
    return model


def state(out: Path) -> dict[str, bytes]:
    files = [out / "segments.jsonl", out / "classes.json", *(out / "labels").rglob("*.png")]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def test_there_and_back_again(
    out: Path, tmp_path: Path, tiny_backbone: Path, photos: Callable[..., Path]
) -> None:
    before = state(out)
    plain = Edits(3, False)
    shown = sorted({s.id for r in Output(out).records() for s in r.segments})
    into, gone = shown[0], shown[-1]
    merged = plain.merge(into, gone)
    assert carry_into(out, merged) == []
    assert gone not in {s.id for r in Output(out).records() for s in r.segments}
    after = state(out)
    assert carry_into(out, merged.drop(into)) == []
    assert not {s.id for r in Output(out).records() for s in r.segments} & {into, gone}
    assert carry_into(out, merged) == []
    assert state(out) == after
    assert carry_into(out, plain) == []
    assert state(out) == before
    again = run_collection(made(tiny_backbone), [tmp_path / "photos"], out, kind="classes")
    assert again.reused == 2  # they count as what the model draws


def test_what_was_drawn_again_since_is_not_taken_back_to_what_was_before(out: Path) -> None:
    shown = sorted({s.id for s in Output(out).record("a.png").segments})
    into, gone = shown[0], shown[-1]
    carry_into(out, Edits(3, False).merge(into, gone))
    kept = json.loads((out / FOLDER / "a.json").read_text())
    labels = read_labels(out / "labels/a.png")
    labels[:5] = 2
    write_labels(out / "labels/a.png", labels)
    carry_into(out, Edits(3, False))
    np.testing.assert_array_equal(read_labels(out / "labels/a.png"), labels)
    assert json.loads((out / FOLDER / "a.json").read_text()) == kept


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"drawn": 1}', "\x00"])
def test_a_broken_copy_counts_for_nothing(out: Path, text: str) -> None:
    shown = sorted({s.id for s in Output(out).record("a.png").segments})
    carry_into(out, Edits(3, False).merge(shown[0], shown[-1]))
    merged = read_labels(out / "labels/a.png")
    (out / FOLDER / "a.json").write_text(text)
    carry_into(out, Edits(3, False))
    np.testing.assert_array_equal(read_labels(out / "labels/a.png"), merged)
