from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acseg import ACSeg
from acseg.app.dropped import Dropped
from acseg.app.explore import (
    SHOWN_SIDE,
    Explorer,
    find_choices,
    renumber,
    shrink,
    void_below,
)
from acseg.errors import RunError
from acseg.output.palette import VOID
from acseg.segmentation import Segmentation

Png = Callable[..., bytes]


@pytest.fixture
def explorer(desk: Any) -> Explorer:
    return desk.explorer


def test_choices_name_run_and_prototypes(runs: list[Path]) -> None:
    assert [c.title for c in find_choices(runs)] == ["run: 4 prototypes", "wide: 7 prototypes"]
    bundled = find_choices([])[0]
    assert (bundled.run, bundled.name) == (None, "bundled")


def test_a_folder_that_is_no_run_is_named_before_anything_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is no RUN"):
        find_choices([tmp_path])


def test_the_controls_start_where_the_run_was_made(explorer: Explorer) -> None:
    start = explorer.start(0)
    assert (start.side, start.merge, start.kind, start.confidence) == (40, 1.0, "classes", 0)
    least, most, step = explorer.sides(0)
    assert least <= start.side <= most
    assert step == 8


def test_at_the_start_it_draws_what_the_model_draws(explorer: Explorer, png: Png) -> None:
    model = ACSeg.load(explorer.choices[0].run, device="cpu", precision="float32")
    data = png(1)
    start = explorer.start(0)
    for kind, call in (("concepts", model.segment), ("classes", model.predict)):
        found = explorer.draw(Dropped("a.png", data), replace(start, kind=kind))  # type: ignore[arg-type]
        expected = call(data)
        np.testing.assert_array_equal(found.labels, expected.labels)
        assert found.confidence == expected.confidence
        assert found.kind == kind


def test_a_threshold_of_the_visitors_own_holds_for_scenes_too(explorer: Explorer, png: Png) -> None:
    model = explorer.model(0)
    model.settings = replace(model.settings, merge=0.1, ground=9.0)  # every picture is a scene
    start = replace(explorer.start(0), kind="concepts")
    as_made = explorer.draw(Dropped("a.png", png(2, (96, 80))), start)
    moved = explorer.draw(Dropped("a.png", png(2, (96, 80))), replace(start, merge=0.0))
    assert len(moved.segments) == 1 < len(as_made.segments)


def test_each_control_changes_what_it_says(explorer: Explorer, png: Png) -> None:
    dropped = Dropped("a.png", png(2, (96, 80)))
    start = replace(explorer.start(0), kind="concepts")
    found = explorer.draw(dropped, start)
    assert len(found.segments) > 1
    merged = explorer.draw(dropped, replace(start, merge=0.0))
    assert len(merged.segments) < len(found.segments)
    finer = explorer.draw(dropped, replace(start, side=80))
    assert (finer.labels != found.labels).any()
    unsure = min(s.confidence or 0 for s in found.segments)
    fewer = explorer.draw(dropped, replace(start, confidence=unsure + 1e-4))
    assert (fewer.labels == VOID).any()
    assert len(fewer.segments) < len(found.segments)
    other = explorer.draw(dropped, replace(start, generator=1))
    assert other.labels.shape == found.labels.shape
    assert len(dropped.drawn) == 4
    again = explorer.draw(dropped, start)
    np.testing.assert_array_equal(again.labels, found.labels)


def test_thresholds_need_no_second_run(
    explorer: Explorer, png: Png, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped = Dropped("a.png", png())
    start = explorer.start(0)
    explorer.draw(dropped, start)
    monkeypatch.setattr(explorer, "_run", lambda *_: pytest.fail("ran the model again"))
    explorer.draw(dropped, replace(start, confidence=0.5, strength=0.1))


def test_a_large_picture_is_shown_small_and_downloaded_whole(explorer: Explorer, png: Png) -> None:
    size = (20, SHOWN_SIDE + 700)
    dropped = Dropped("a.png", png(3, size))
    for kind in ("concepts", "classes"):
        controls = replace(explorer.start(0), kind=kind)  # type: ignore[arg-type]
        shown = explorer.draw(dropped, controls)
        full = explorer.draw_full(dropped, controls)
        assert max(shown.labels.shape) == SHOWN_SIDE
        assert full.labels.shape == size
        assert {s.id for s in shown.segments} <= {s.id for s in full.segments}


def test_names_of_concepts_are_of_one_picture_and_one_way_to_draw(
    explorer: Explorer, png: Png
) -> None:
    dropped = Dropped("a.png", png())
    start = replace(explorer.start(0), kind="concepts")
    dropped.names[start.way] = {0: "wall"}
    assert explorer.draw(dropped, start).segments[0].name == "wall"
    assert explorer.draw(dropped, replace(start, confidence=0.01)).names == {0: "wall"}
    assert explorer.draw(dropped, replace(start, generator=1)).names == {}
    assert explorer.draw(Dropped("b.png", png()), start).names == {}


def test_names_of_classes_are_written_to_the_run(explorer: Explorer) -> None:
    assert explorer.names(0) == {0: "background"}
    assert explorer.names(0, {1: "road"}) == {0: "background", 1: "road"}
    assert explorer.names(0) == {0: "background"}
    explorer.save_names(0, {1: "road"})
    assert explorer.names(0) == {0: "background", 1: "road"}
    assert ACSeg.load(explorer.choices[0].run, device="cpu").names_ == {1: "road"}


def test_the_bundled_model_has_no_classes_to_name() -> None:
    with pytest.raises(RunError, match="bundled model has no classes"):
        Explorer(find_choices([])).save_names(0, {1: "road"})


def test_void_below_keeps_what_has_no_confidence() -> None:
    labels = np.array([[0, 1, 2, VOID]])
    found = Segmentation(labels, np.zeros((1, 4, 3), np.uint8), confidence={1: 0.4, 2: 0.5})
    assert void_below(found, 0.5).tolist() == [[0, VOID, 2, VOID]]
    assert void_below(found, 0).tolist() == labels.tolist()


def test_shrink_keeps_the_shape_and_small_pictures() -> None:
    image = np.zeros((30, 90, 3), np.uint8)
    assert shrink(image, 30).shape == (10, 30, 3)
    assert shrink(image, 90) is image


def test_renumber_gives_the_ids_of_the_smaller_drawing() -> None:
    def found(labels: list[list[int]]) -> Segmentation:
        values = np.array(labels)
        sure = {int(i): i / 10 for i in np.unique(values)}
        return Segmentation(values, np.zeros((*values.shape, 3), np.uint8), confidence=sure)

    like = found([[1, 0], [1, 0]])
    full = found([[0, 0, 2, 2], [0, 0, 2, 2], [0, 1, 2, 2], [0, 0, 2, 2]])  # 1 is too thin
    new = renumber(full, like=like)
    assert new.labels.tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [1, 2, 0, 0], [1, 1, 0, 0]]
    assert new.confidence == {1: 0.0, 2: 0.1, 0: 0.2}
