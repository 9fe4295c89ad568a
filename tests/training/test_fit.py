import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acseg import ACSeg
from acseg.classes.clusters import fit_clusters
from acseg.errors import DataError, ModelError
from acseg.model.folder import read_model_folder
from acseg.training import find_classes as classes_module
from acseg.training import loop, passes
from acseg.training.fit import fit_collection

Photos = Callable[..., Path]
NAMES = [f"{n}.png" for n in range(6)]


class Killed(Exception):
    pass


class KillOnce:
    """Raises the first time that a task passes a count."""

    def __init__(self, task: str, after: int) -> None:
        self.task, self.after, self.done = task, after, False
        self.seen: list[tuple[str, int]] = []

    def __call__(self, task: str, done: int, of: int, note: str) -> None:
        self.seen.append((task, done))
        if not self.done and task == self.task and done >= self.after:
            self.done = True
            raise Killed


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.suffix != ".store"  # which say of which files they were made
    }


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "BATCH", 2)
    monkeypatch.setattr(loop, "CHECKPOINT_STEPS", 2)


def test_run_holds_what_the_design_says_and_no_state(tiny_run: Path) -> None:
    assert sorted(files_of(tiny_run)) == [
        "classes.json",
        "classes.safetensors",
        "config.json",
        "failed.jsonl",
        "generator.safetensors",
        "training.jsonl",
    ]
    diary = [json.loads(line) for line in (tiny_run / "training.jsonl").read_text().splitlines()]
    assert [line["step"] for line in diary] == [1, 2, 3, 4, 5, 6]
    assert all(1 <= line["concepts"] <= 4 for line in diary)
    notes = json.loads((tiny_run / "config.json").read_text())["notes"]
    assert (notes["pictures"], notes["failed"], notes["loss"]) == (6, 0, diary[-1]["loss"])
    run = read_model_folder(tiny_run)
    assert run.centres is not None
    assert run.centres.shape == (2, 32)  # three classes, one of them the background
    np.testing.assert_allclose(np.linalg.norm(run.centres, axis=1), 1, rtol=1e-5)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize(
    ("task", "after"),
    [
        ("reading tokens", 2),
        ("reading tokens", 6),
        ("training the generator", 3),
        ("training the generator", 6),
        ("describing regions", 2),
        ("describing regions", 6),
    ],
)
def test_a_killed_fit_goes_on_to_the_same_bytes(
    tmp_path: Path,
    photos: Photos,
    tiny_run: Path,
    tiny_settings: dict[str, Any],
    task: str,
    after: int,
) -> None:
    folder = photos(tmp_path / "photos", NAMES)
    kill = KillOnce(task, after)
    with pytest.raises(Killed):
        fit_collection(ACSeg(**tiny_settings), [folder], tmp_path / "run", progress=kill)
    assert not (tmp_path / "run" / "config.json").exists()
    before = len(kill.seen)
    fit_collection(ACSeg(**tiny_settings), [folder], tmp_path / "run", progress=kill)
    again = kill.seen[before:]
    done_before = {"reading tokens": 0, "describing regions": 0, task: after}
    for stage in ("reading tokens", "describing regions"):
        first = [done for name, done in again if name == stage]
        assert not first or first[0] > done_before[stage]
    if task != "reading tokens":
        assert "reading tokens" not in {name for name, _ in again}
    assert files_of(tmp_path / "run") == files_of(tiny_run)  # fitted in one go, other batches


def test_another_seed_gives_another_run(
    tmp_path: Path, photos: Photos, tiny_run: Path, tiny_settings: dict[str, Any]
) -> None:
    folder = photos(tmp_path / "photos", NAMES)
    ACSeg(**tiny_settings | {"random_state": 5}).fit(folder, folder=tmp_path / "run")
    mine, other = files_of(tmp_path / "run"), files_of(tiny_run)
    assert mine["generator.safetensors"] != other["generator.safetensors"]


@pytest.mark.parametrize("change", [{"steps": 8}, {"granularity": 0.7}, {"side": 48}])
def test_the_state_of_another_setting_is_refused(
    tmp_path: Path, photos: Photos, tiny_settings: dict[str, Any], change: dict[str, Any]
) -> None:
    folder = photos(tmp_path / "photos", NAMES[:2])
    with pytest.raises(Killed):
        fit_collection(
            ACSeg(**tiny_settings),
            [folder],
            tmp_path / "run",
            progress=KillOnce("training the generator", 1),
        )
    with pytest.raises(ModelError, match=r"state belongs to an unfinished fit with other settings"):
        fit_collection(ACSeg(**tiny_settings | change), [folder], tmp_path / "run")
    photos(folder, NAMES[:3])
    with pytest.raises(ModelError, match="other settings or pictures"):
        fit_collection(ACSeg(**tiny_settings), [folder], tmp_path / "run")


def test_too_many_classes_are_a_clear_line_and_fewer_go_on(
    tmp_path: Path, photos: Photos, tiny_settings: dict[str, Any]
) -> None:
    folder = photos(tmp_path / "photos", NAMES[:2])
    with pytest.raises(DataError, match="99 classes need at least 99 different region descrip"):
        ACSeg(**tiny_settings | {"n_classes": 100}).fit(folder, folder=tmp_path / "run")
    watch = KillOnce("none", 0)
    fit_collection(
        ACSeg(**tiny_settings | {"n_classes": 2}), [folder], tmp_path / "run", progress=watch
    )
    assert watch.seen == []  # the pixels, the generator and the regions were all there
    assert len(read_model_folder(tmp_path / "run").centres) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize("classes", [2, "auto"])
def test_two_pictures_suffice(
    tmp_path: Path, photos: Photos, tiny_settings: dict[str, Any], classes: int | str
) -> None:
    folder = photos(tmp_path / "photos", NAMES[:2])
    model = ACSeg(**tiny_settings | {"n_classes": classes}).fit(folder)
    assert len(model.class_ids) >= 2
    assert model.failed_ == []


def test_too_few_regions_to_choose_become_one_class(
    tmp_path: Path,
    photos: Photos,
    tiny_settings: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = photos(tmp_path / "photos", NAMES[:1])
    settings = tiny_settings | {"n_classes": "auto", "concepts": 1}
    with caplog.at_level(logging.WARNING, "acseg"):
        model = ACSeg(**settings).fit(folder)
    assert model.class_ids == [0, 1]
    assert "too few to choose" in caplog.text


def test_auto_keeps_its_curve(
    tmp_path: Path, photos: Photos, tiny_settings: dict[str, Any]
) -> None:
    folder = photos(tmp_path / "photos", [f"{n}.png" for n in range(12)])
    model = ACSeg(**tiny_settings | {"n_classes": "auto"}).fit(folder, folder=tmp_path / "run")
    table = json.loads((tmp_path / "run" / "classes.json").read_text())
    assert "confidence" in table["criterion"]
    best = max(table["curve"], key=lambda point: (point[1], -point[0]))
    assert len(model.class_ids) == best[0] + 1
    assert all(0 <= score <= 1 for _, score in table["curve"])


def test_what_cannot_be_read_is_named_and_costs_the_others_nothing(
    tmp_path: Path, photos: Photos, tiny_run: Path, tiny_settings: dict[str, Any]
) -> None:
    folder = photos(tmp_path / "photos", NAMES)
    (folder / "a-broken.jpg").write_bytes(b"nothing")
    (folder / "b-empty.png").write_bytes(b"")
    model = ACSeg(**tiny_settings).fit([folder, tmp_path / "gone.jpg"], folder=tmp_path / "run")
    assert [path for path, _ in model.failed_] == [
        str(tmp_path / "gone.jpg"),
        "a-broken.jpg",
        "b-empty.png",
    ]
    lines = (tmp_path / "run" / "failed.jsonl").read_text().splitlines()
    assert [json.loads(line)["path"] for line in lines] == [path for path, _ in model.failed_]
    assert all(json.loads(line)["error"] for line in lines)
    notes = json.loads((tmp_path / "run" / "config.json").read_text())["notes"]
    assert (notes["pictures"], notes["failed"]) == (6, 3)


def test_where_every_picture_fails_the_reasons_are_named(
    tmp_path: Path, tiny_settings: dict[str, Any]
) -> None:
    for n in range(7):
        (tmp_path / f"{n}.jpg").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"no picture to fit on\. 0\.jpg: not a picture.*and 2 mo"):
        ACSeg(**tiny_settings).fit(tmp_path)
    with pytest.raises(DataError, match=r"no picture to fit on\. .*gone: no such file"):
        ACSeg(**tiny_settings).fit([tmp_path / "gone"])
    with pytest.raises(DataError, match=r"^no picture to fit on\.$"):
        ACSeg(**tiny_settings).fit([])


def test_the_run_may_lie_inside_the_pictures(
    tmp_path: Path, photos: Photos, tiny_run: Path, tiny_settings: dict[str, Any]
) -> None:
    folder = photos(tmp_path, NAMES)
    ACSeg(**tiny_settings).fit(folder, folder=folder)
    names = set(files_of(tiny_run))
    assert {name: data for name, data in files_of(folder).items() if name in names} == files_of(
        tiny_run
    )


def test_pictures_beyond_the_cache_are_described_all_the_same(
    tmp_path: Path,
    photos: Photos,
    tiny_settings: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = photos(tmp_path / "photos", NAMES)
    watch = KillOnce("none", 0)
    room = 3 * 16 * 32 * 2 / 1e9  # three pictures of 16 pixels in 32 dimensions, 2 bytes each
    model = ACSeg(**tiny_settings | {"cache_gigabytes": room})
    with caplog.at_level(logging.WARNING, "acseg"):
        fit_collection(model, [folder], tmp_path / "run", progress=watch)
    last = dict(watch.seen)
    assert last["reading tokens"] == 3
    assert last["describing regions"] == 6
    assert "3 of 6 pictures fit the cache" in caplog.text


def test_of_very_many_pictures_some_are_described_and_all_can_be_predicted(
    tmp_path: Path,
    photos: Photos,
    tiny_settings: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passes, "DESCRIBED", 4)
    folder = photos(tmp_path / "photos", NAMES)
    kill = KillOnce("describing regions", 3)
    whole = fit_bytes(folder, tmp_path / "whole", tiny_settings, kill=None)
    assert whole == fit_bytes(folder, tmp_path / "killed", tiny_settings, kill=kill)
    assert dict(kill.seen)["describing regions"] == 4
    assert dict(kill.seen)["reading tokens"] == 6
    model = ACSeg.from_pretrained(tmp_path / "whole")
    assert all(found.labels.shape == (48, 40) for found in model.predict(sorted(folder.iterdir())))


def fit_bytes(
    folder: Path, run: Path, settings: dict[str, Any], *, kill: KillOnce | None
) -> dict[str, bytes]:
    """Fit, through a kill if there is one, and give the files of RUN."""
    if kill is not None:
        with pytest.raises(Killed):
            fit_collection(ACSeg(**settings), [folder], run, progress=kill)
    fit_collection(ACSeg(**settings), [folder], run, **({"progress": kill} if kill else {}))
    return files_of(run)


def test_of_very_many_regions_a_part_makes_the_classes(
    tmp_path: Path,
    photos: Photos,
    tiny_settings: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[int] = []

    def note(rows: np.ndarray, clusters: int, **more: int) -> Any:
        seen.append(len(rows))
        return fit_clusters(rows, clusters, **more)

    monkeypatch.setattr(classes_module, "MOST_DESCRIPTORS", 4)
    monkeypatch.setattr(classes_module, "fit_clusters", note)
    ACSeg(**tiny_settings).fit(photos(tmp_path, NAMES))
    assert seen == [4]


@pytest.mark.parametrize("sample", [8, 400])
def test_long_small_and_odd_pictures_go_together(
    tmp_path: Path,
    photos: Photos,
    photograph: Callable[..., np.ndarray],
    tiny_settings: dict[str, Any],
    sample: int,
) -> None:
    folder = photos(tmp_path / "photos", ["a.png", "b.png"])
    photos(folder / "long", ["a.png", "b.png"], size=(8, 400))
    photos(folder / "high", ["a.png"], size=(240, 9))
    photos(folder / "tiny", ["a.png"], size=(8, 8))
    model = ACSeg(**tiny_settings | {"sample": sample, "n_classes": 2}).fit(folder)
    assert model.failed_ == []
    for size in ((8, 400), (240, 9), (8, 8), (47, 51)):
        assert model.predict(photograph(0, size)).labels.shape == size


@pytest.mark.parametrize("side", [1, 8, 11, 21])
def test_any_side_will_do(
    tmp_path: Path, photos: Photos, tiny_settings: dict[str, Any], side: int
) -> None:
    folder = photos(tmp_path / "photos", NAMES[:3])
    model = ACSeg(**tiny_settings | {"side": side, "n_classes": 2}).fit(folder)
    assert model.predict(folder / "0.png").labels.shape == (48, 40)


def test_overlapping_patches_give_more_pixels(
    tmp_path: Path, photos: Photos, tiny_settings: dict[str, Any]
) -> None:
    folder = photos(tmp_path / "photos", NAMES[:3])
    model = ACSeg(**tiny_settings | {"stride": 4, "sample": 99, "n_classes": 2}).fit(folder)
    assert model.pipeline.backbone.stride == 4
    assert model.segment(folder / "0.png").labels.shape == (48, 40)


@pytest.mark.skipif(os.name != "posix", reason="needs symbolic links")
def test_a_link_that_leads_nowhere_is_a_failure_like_others(
    tmp_path: Path, photos: Photos, tiny_settings: dict[str, Any]
) -> None:
    folder = photos(tmp_path / "photos", NAMES[:2])
    (folder / "z.png").symlink_to(tmp_path / "gone.png")
    model = ACSeg(**tiny_settings | {"n_classes": 2}).fit(folder)
    assert model.failed_ == [("z.png", "no such file")]
