import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from acseg.errors import DataError
from acseg.evaluation.folder import evaluate_folders

MASK = np.array([[0, 0, 1, 1], [0, 0, 1, 255]], np.uint8)


def put(path: Path, labels: np.ndarray, mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(labels)
    if mode == "P":
        picture.putpalette([5, 6, 7] * 256)  # all colours alike: only the index can tell
    elif mode != "L":
        picture = picture.convert(mode)
    picture.save(path)


@pytest.fixture
def folders(tmp_path):
    for name in ("a.png", "deep/a.png", "deep/b.png"):
        put(tmp_path / "labels" / name, 1 - np.minimum(MASK, 1), "P")
        put(tmp_path / "masks" / name, MASK)
    return tmp_path / "labels", tmp_path / "masks"


@pytest.mark.parametrize("protocol", ["collection", "overcluster", "image"])
def test_every_pair_of_the_same_name_is_scored(folders, protocol):
    result = evaluate_folders(*folders, protocol)
    assert result.protocol == protocol
    assert result.images == 3
    assert result.miou == 1.0
    assert result.failed == []


def test_hidden_files_and_other_files_are_passed_over(folders):
    put(folders[0] / ".trash" / "x.png", MASK)
    (folders[1] / "notes.txt").write_text("x")
    assert evaluate_folders(*folders).failed == []


def test_what_does_not_fit_is_named_and_costs_nothing_else(folders):
    labels, masks = folders
    put(labels / "alone.png", MASK)
    put(masks / "only.png", MASK)
    put(labels / "small.png", MASK[:, :3])
    put(masks / "small.png", MASK)
    put(labels / "colour.png", MASK, "RGB")
    put(masks / "colour.png", MASK)
    (labels / "broken.png").write_bytes(b"no picture")
    put(masks / "broken.png", MASK)
    put(labels / "beyond.png", MASK)
    put(masks / "beyond.png", np.where(MASK == 1, 8, 0).astype(np.uint8))
    put(labels / "deep" / "a.PNG", 1 - np.minimum(MASK, 1))

    result = evaluate_folders(*folders, n_true=2)
    reasons = {Path(failure.path).name: failure.reason for failure in result.failed}
    assert result.images == 3
    assert result.miou == 1.0
    assert len(reasons) == len(result.failed) == 7
    assert "no mask of this name" in reasons["alone.png"]
    assert "no label map of this name" in reasons["only.png"]
    assert "3 x 2" in reasons["small.png"]
    assert "4 x 2" in reasons["small.png"]
    assert "RGB" in reasons["colour.png"]
    assert "broken.png" in reasons["broken.png"]
    assert "holds 8; expected 0 .. 1" in reasons["beyond.png"]
    assert "same name" in (reasons.get("a.PNG") or reasons["a.png"])
    assert "not scored: 7" in result.table()
    assert len(json.loads(result.to_json())["failed"]) == 7


def test_scores_of_the_match_on_iou_say_so(folders):
    assert evaluate_folders(*folders, match="iou").match == "iou"


def test_wrong_use_is_said_clearly(folders, tmp_path):
    labels, masks = folders
    with pytest.raises(DataError, match="'P9' is unknown; take one of collection"):
        evaluate_folders(labels, masks, "P9")
    with pytest.raises(DataError, match="no such folder"):
        evaluate_folders(tmp_path / "nowhere", masks)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds no PNG; expected masks"):
        evaluate_folders(labels, tmp_path / "empty")


def test_nothing_left_names_the_first_reason(tmp_path):
    put(tmp_path / "labels" / "a.png", MASK)
    put(tmp_path / "masks" / "b.png", MASK)
    with pytest.raises(DataError, match=r"2 files failed, the first is .*no mask of this name"):
        evaluate_folders(tmp_path / "labels", tmp_path / "masks", "image")


def test_nothing_labelled_is_said(tmp_path):
    put(tmp_path / "labels" / "a.png", MASK)
    put(tmp_path / "masks" / "a.png", np.full_like(MASK, 255))
    with pytest.raises(DataError, match="no labelled pixel in 1 images"):
        evaluate_folders(tmp_path / "labels", tmp_path / "masks")


def test_the_masks_of_a_real_set_match_themselves(shared):
    masks = shared / "labelled" / "rural_street" / "masks"
    result = evaluate_folders(masks, masks, "image")
    assert result.miou == 1.0
    assert result.images == len(list(masks.glob("*.png")))
