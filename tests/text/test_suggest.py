from pathlib import Path

import numpy as np
import pytest
import torch

from acseg.classes.edits import Edits
from acseg.errors import BackboneError, DataError, ModelError
from acseg.text.models import load_text_image_model
from acseg.text.suggest import (
    Suggestion,
    read_labels_of,
    read_suggestions,
    suggest_names,
    take_suggestions,
    write_suggestions,
)
from acseg.text.views import View, views_from_output

NAMES = ["red", "green", "blue", "yellow", "grey"]


def guess(c: int, name: str, confidence: float = 0.9) -> Suggestion:
    return Suggestion(c, name, confidence, "other", 0.05, 3)


def test_colours_are_named(made, colour_clip: Path) -> None:
    views, _ = views_from_output(made.out, Edits(4, False))
    found = suggest_names(views, NAMES, text_model=str(colour_clip), device="cpu")
    assert [one.name for one in found] == list(made.names)
    assert [one.id for one in found] == [0, 1, 2, 3]
    assert [one.regions for one in found] == [1, 2, 2, 1]
    for one in found:
        assert 0.5 < one.confidence <= 1
        assert one.runner_up != one.name
        assert 0 <= one.runner_up_confidence < one.confidence


def test_confidence_is_the_mean_over_the_views(colour_clip: Path) -> None:
    def plain(*rgb: int) -> View:
        return View(np.full((24, 24, 3), rgb, np.uint8), np.ones((24, 24), bool))

    views = {3: [plain(200, 30, 30), plain(200, 30, 30), plain(30, 60, 210)], 5: []}
    (found,) = suggest_names(views, NAMES, text_model=str(colour_clip), device="cpu")
    model = load_text_image_model(str(colour_clip), device="cpu")
    names = model.embed_names(NAMES)
    each = []
    for view in views[3]:
        image = torch.from_numpy(view.picture).permute(2, 0, 1)[None].float() / 255
        pixel = torch.nn.functional.normalize(model.tokens(image).tokens[0].mean(dim=0), dim=0)
        each.append((model.scale * names @ pixel).softmax(dim=0))
    mean = torch.stack(each).mean(dim=0)
    assert (found.id, found.name, found.runner_up) == (3, "red", "blue")
    assert found.confidence == pytest.approx(float(mean[0]), abs=1e-4)
    assert found.runner_up_confidence == pytest.approx(float(mean[2]), abs=1e-4)


def test_only_the_inside_of_a_region_counts(colour_clip: Path) -> None:
    picture = np.full((24, 24, 3), (200, 30, 30), np.uint8)
    picture[:12] = (30, 180, 40)
    inside = np.zeros((24, 24), bool)
    inside[:12] = True
    views = {1: [View(picture, inside)], 2: [View(picture, ~inside)]}
    found = suggest_names(views, NAMES, text_model=str(colour_clip), device="cpu")
    assert [one.name for one in found] == ["green", "red"]


@pytest.mark.parametrize("labels", [[], ["sky"]])
def test_a_single_name_is_no_choice(labels, colour_clip: Path) -> None:
    with pytest.raises(DataError, match="two names or more"):
        suggest_names({}, labels, text_model=str(colour_clip))


def test_a_model_that_is_not_there_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="text-image model"):
        suggest_names({}, NAMES, text_model=str(tmp_path / "none"), device="cpu")


def test_names_below_the_threshold_are_not_taken() -> None:
    new = [guess(1, "road", 0.4), guess(2, "sky", 0.39)]
    assert take_suggestions(Edits(4, True), [], new, 0.4).names == {1: "road"}


def test_names_by_hand_stay_and_old_suggestions_go() -> None:
    edits = Edits(6, True, {1: "by hand", 2: "old", 3: "old", 4: "old"})
    old = [guess(1, "other"), guess(2, "old"), guess(3, "old")]
    found = take_suggestions(edits, old, [guess(1, "new"), guess(2, "new"), guess(4, "new")], 0.5)
    assert found.names == {1: "by hand", 2: "new", 4: "old"}


def test_suggestions_of_classes_merged_since_do_not_disturb() -> None:
    edits = Edits(6, True, {1: "road", 2: "old"}, {2: 1})
    found = take_suggestions(edits, [guess(2, "old")], [guess(1, "new")], 0.5)
    assert found.names == {1: "road", 2: "old"}


def test_labels_are_a_list_or_a_file(tmp_path: Path) -> None:
    assert read_labels_of(" sky, dining  table ,sky,,Straße") == ["sky", "dining table", "Straße"]
    file = tmp_path / "labels.txt"
    file.write_text("# of my garden\nsky\r\nrose bush  # red\n\nsky\n路,grass\n", encoding="utf-8")
    assert read_labels_of(str(file)) == ["sky", "rose bush", "路", "grass"]
    with pytest.raises(DataError, match=r"gone\.txt: no such file"):
        read_labels_of(str(tmp_path / "gone.txt"))
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read as text"):
        read_labels_of(str(file))
    assert read_labels_of("sky," * 3000) == ["sky"]  # longer than the name of a file may be


def test_suggestions_are_kept_in_the_model_folder(tmp_path: Path) -> None:
    assert read_suggestions(tmp_path) == ([], "")
    kept = [guess(1, "Straße"), guess(2, "sky", 0.1)]
    write_suggestions(tmp_path, kept, "some/clip")
    assert read_suggestions(tmp_path) == (kept, "some/clip")
    for text in ("{", "{}", '{"classes": [{"id": 1}], "text_model": ""}', "[]"):
        (tmp_path / "names.json").write_text(text)
        with pytest.raises(ModelError, match=r"cannot read .*names\.json"):
            read_suggestions(tmp_path)
