from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from acseg.concepts.ground import ground_score
from acseg.drawing import Conceptualized
from PIL import Image
from safetensors.numpy import load_file, save_file

from acseg import ACSeg, Segmentation
from acseg.classes.clusters import assign_clusters
from acseg.classes.regions import find_regions
from acseg.concepts.assignment import assign, concept_scores
from acseg.concepts.confidence import concept_confidence
from acseg.errors import BackboneError, ImageError, ModelError
from acseg.images.batch import to_tensor
from acseg.model.folder import read_model_folder
from acseg.model.settings import DESCRIPTORS, Settings

Photos = Callable[..., Path]
Photograph = Callable[..., np.ndarray]


@pytest.fixture(scope="module")
def model(tiny_run: Path) -> ACSeg:
    return ACSeg.from_pretrained(tiny_run, device="cpu", precision="float32")


@pytest.fixture
def copy(tiny_run: Path, tmp_path: Path) -> Path:
    """A copy of the tiny RUN that a test may break."""
    for path in tiny_run.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_whatever_holds_the_picture_gives_the_same_labels(
    model: ACSeg, photograph: Photograph, tmp_path: Path
) -> None:
    array = photograph(1)
    path = tmp_path / "a.png"
    Image.fromarray(array).save(path)
    sources: list[Any] = [path, str(path), path.read_bytes(), Image.open(path), array]
    results = [model.segment(source) for source in sources]
    results += model.segment(sources)
    results += model.segment(tuple(sources[:2]))
    assert len(results) == 12
    for result in results:
        assert isinstance(result, Segmentation)
        assert result.kind == "concepts"
        np.testing.assert_array_equal(result.labels, results[0].labels)
        np.testing.assert_array_equal(result.image, array)


def test_a_folder_or_a_glob_stands_for_its_pictures(
    model: ACSeg, photos: Photos, photograph: Photograph, tmp_path: Path
) -> None:
    folder = photos(tmp_path, ["a.png", "b.png", "sub/c.png"])
    for source in (folder, str(folder)):
        results = model.predict(source)
        assert [np.array_equal(r.image, photograph(n)) for n, r in enumerate(results)] == [True] * 3
    assert len(model.segment(str(folder / "*.png"))) == 2


def test_lists_keep_their_order_whatever_the_shapes(model: ACSeg, photograph: Photograph) -> None:
    pictures = [photograph(n, size) for n, size in enumerate([(48, 40), (40, 48), (30, 70)])]
    for result, picture in zip(model.segment(pictures), pictures, strict=True):
        assert result.image is not picture
        np.testing.assert_array_equal(result.image, picture)
        assert result.labels.shape == picture.shape[:2]
    assert model.segment([]) == []


def test_labels_of_concepts_are_compact_and_have_a_confidence(
    model: ACSeg, photograph: Photograph
) -> None:
    for seed in range(5):
        result = model.segment(photograph(seed))
        present = np.unique(result.labels).tolist()
        assert present == list(range(len(present)))
        assert [s.id for s in result.segments] == present
        assert all(s.confidence is not None and 0 <= s.confidence <= 1 for s in result.segments)


def test_a_picture_may_come_from_a_file_turned_by_exif(
    model: ACSeg, photograph: Photograph, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter to see it upright
    Image.fromarray(photograph(0)).save(tmp_path / "a.jpg", exif=exif)
    assert model.segment(tmp_path / "a.jpg").labels.shape == (40, 48)


@pytest.mark.parametrize("source", ["gone.jpg", "empty", "broken.jpg", b"nothing"])
def test_what_cannot_be_read_is_an_image_error(
    model: ACSeg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str | bytes
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.jpg").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImageError, match=source if isinstance(source, str) else "the bytes given"):
        model.segment(source)


def plain_classes(model: ACSeg, picture: np.ndarray) -> np.ndarray:
    """Classes of a picture, region by region with loops: which class owns each pixel."""
    image = to_tensor(picture, side=model.side, multiple=8)[None]
    found = model.conceptualize(image)
    owner = assign(found.scores[0]).numpy()
    descriptors = model.describe(found, image).numpy()
    foreground = model.foreground(found)
    classes = {}
    for row, prototype in enumerate(sorted(set(owner.tolist()))):
        cluster = int(assign_clusters(descriptors[row : row + 1], model.centres_)[0][0])
        if foreground is None:
            classes[prototype] = cluster
        else:
            classes[prototype] = cluster + 1 if bool(foreground[row]) else 0
    # the scores at full size, every prototype without a pixel left out
    maps = torch.nn.functional.interpolate(
        found.scores[0].T.reshape(1, -1, *found.features.grid),
        size=picture.shape[:2],
        mode="bilinear",
        align_corners=False,
    )[0]
    maps[[p for p in range(len(maps)) if p not in classes]] = -np.inf
    prototypes = maps.argmax(0).numpy()
    return np.vectorize(classes.__getitem__)(prototypes)


def test_a_concept_that_is_not_drawn_leaves_the_others_their_own(
    tiny_run: Path, photograph: Photograph
) -> None:
    """The first concept owns one pixel of a grid finer than the picture, and is not drawn."""
    model = ACSeg.from_pretrained(tiny_run, device="cpu", precision="float32")
    model.settings = replace(model.settings, side=160)
    conceptualize = model.conceptualize

    def made(images: torch.Tensor) -> Conceptualized:
        found = conceptualize(images)
        h, w = found.features.grid
        scores = torch.full((1, h, w, 4), -0.5)
        scores[:, :, : w // 2, 1], scores[:, :, w // 2 :, 3] = 0.5, 0.75
        scores[:, 4, 4, 0] = 0.625  # between the places 2.8 and 5.1 that are looked at
        regions = find_regions(scores.argmax(3))
        return Conceptualized(found.features, found.concepts, scores.flatten(1, 2), regions)

    model.conceptualize = made  # type: ignore[method-assign]
    for seed in range(6):
        picture = photograph(seed, (9, 9))
        first, second = model.segment(picture).segments  # prototypes 1 and 3
        found = made(to_tensor(picture, side=160, multiple=8)[None])
        assert found.regions.label.tolist() == [0, 1, 3]
        sure = concept_confidence(found.scores[0])
        assert (first.confidence, second.confidence) == pytest.approx(
            (float(sure[1]), float(sure[3])), abs=1e-4
        )
        np.testing.assert_array_equal(model.predict(picture).labels, plain_classes(model, picture))


@pytest.mark.parametrize(("rounds", "merge"), [(0, None), (0, 0.5), (3, 0.5)])
@pytest.mark.parametrize("seed", range(6))
def test_each_region_gets_the_class_of_its_own_prototype(
    tiny_run: Path, photograph: Photograph, seed: int, rounds: int, merge: float | None
) -> None:
    model = ACSeg.from_pretrained(tiny_run, device="cpu", precision="float32")
    model.settings = replace(model.settings, rounds=rounds, merge=merge)
    picture = photograph(seed, (41, 56))
    result = model.predict(picture)
    assert result.kind == "classes"
    agree = result.labels == plain_classes(model, picture)
    assert agree.mean() > 0.995  # pixels that lie on a tie apart


def test_rounds_move_the_concepts_to_their_pixels(tiny_run: Path, photograph: Photograph) -> None:
    model = ACSeg.from_pretrained(tiny_run, device="cpu", precision="float32")
    images = torch.rand(2, 3, 48, 40)
    fits = []
    for rounds in (None, 0, 1, 5):
        model.settings = replace(model.settings, rounds=rounds, merge=None)
        found = model.conceptualize(images)
        scores = concept_scores(found.features.tokens, found.concepts)
        torch.testing.assert_close(scores, found.scores)
        fits.append(float(scores.amax(dim=2).sum()))
    assert fits[0] == fits[1] < fits[2] <= fits[3]


def test_merging_leaves_fewer_concepts_and_1_leaves_all(
    tiny_run: Path, photograph: Photograph
) -> None:
    model = ACSeg.from_pretrained(tiny_run, device="cpu", precision="float32")
    pictures = [photograph(seed) for seed in range(6)]
    counts = []
    for merge in (None, 1.0, 0.5, 0.0):
        model.settings = replace(model.settings, merge=merge)
        counts.append([len(result.segments) for result in model.segment(pictures)])
    assert counts[0] == counts[1]
    assert sum(counts[0]) > sum(counts[2]) >= sum(counts[3])
    assert min(counts[3]) == 1


def test_pictures_without_a_ground_keep_their_concepts(
    tiny_run: Path, photograph: Photograph
) -> None:
    model = ACSeg.from_pretrained(tiny_run, device="cpu", precision="float32")
    images = torch.stack([to_tensor(photograph(n), side=48, multiple=8) for n in range(6)])
    counts = {}
    for name, merge, ground in (("none", None, None), ("all", 0.0, 0.0)):
        model.settings = replace(model.settings, merge=merge, ground=ground)
        counts[name] = model.conceptualize(images).regions.image.bincount(minlength=6)
    features = model.backbone(images)
    scores = ground_score(features.tokens, features.grid)
    model.settings = replace(model.settings, merge=0.0, ground=0.1)
    found = model.conceptualize(images).regions.image.bincount(minlength=6)
    expected = torch.where(scores < 0.1, counts["none"], counts["all"])
    assert found.tolist() == expected.tolist()
    assert len(set((scores < 0.1).tolist())) == 2
    assert counts["none"].sum() > found.sum() > counts["all"].sum()


def test_a_batch_gives_what_its_pictures_give_alone(model: ACSeg, photograph: Photograph) -> None:
    pictures = [photograph(n) for n in range(5)]
    images = torch.stack([to_tensor(p, side=model.side, multiple=8) for p in pictures])
    for draw in (model.segment_batch, model.predict_batch):
        together = draw(pictures, images)
        for n, result in enumerate(together):
            alone = draw(pictures[n : n + 1], images[n : n + 1])[0]
            assert (result.labels == alone.labels).mean() > 0.999
            np.testing.assert_array_equal(result.image, pictures[n])


def test_classes_lie_among_those_of_the_model(model: ACSeg, photos: Photos, tmp_path: Path) -> None:
    assert model.class_ids == [0, 1, 2]
    seen: set[int] = set()
    for result in model.predict(photos(tmp_path, [f"{n}.png" for n in range(6)])):
        seen |= set(np.unique(result.labels).tolist())
    assert seen <= {0, 1, 2}
    assert 0 in seen  # the background is class 0
    assert len(seen) > 1


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
@pytest.mark.parametrize("foreground", ["mean", "none"])
def test_every_descriptor_and_foreground_runs(
    tiny_settings: dict[str, Any],
    photos: Photos,
    tmp_path: Path,
    descriptor: str,
    foreground: str,
) -> None:
    folder = photos(tmp_path / "photos", ["a.png", "b.png", "c.png"])
    settings = tiny_settings | {"descriptor": descriptor, "foreground": foreground, "steps": 1}
    model = ACSeg(**settings | {"classes": 2}).fit(folder, folder=tmp_path / "run")
    assert model.class_ids == [0, 1]
    assert model.centres_ is not None
    assert len(model.centres_) == (2 if foreground == "none" else 1)
    again = ACSeg.from_pretrained(tmp_path / "run", device="cpu", precision="float32")
    for one, other in zip(model.predict(folder), again.predict(folder), strict=True):
        np.testing.assert_array_equal(one.labels, other.labels)


def test_a_crop_side_that_is_no_multiple_of_the_patch_is_rounded(
    tiny_settings: dict[str, Any], photos: Photos, tmp_path: Path
) -> None:
    folder = photos(tmp_path, ["a.png", "b.png"])
    for crop_side in (1, 19):
        settings = tiny_settings | {"crop_side": crop_side, "classes": 2, "steps": 1}
        assert len(ACSeg(**settings).fit(folder).predict(folder)) == 2


def test_without_classes_there_is_nothing_to_predict(copy: Path, photograph: Photograph) -> None:
    (copy / "classes.safetensors").unlink()
    model = ACSeg.from_pretrained(copy, device="cpu")
    assert model.segment(photograph(0)).kind == "concepts"
    with pytest.raises(ModelError, match="no classes yet; `fit`"):
        model.predict(photograph(0))


def test_without_a_generator_there_is_nothing_to_do(
    tiny_settings: dict[str, Any], photograph: Photograph, tmp_path: Path
) -> None:
    model = ACSeg(**tiny_settings)
    with pytest.raises(ModelError, match="no generator yet"):
        model.segment(photograph(0))
    with pytest.raises(ModelError, match="no generator yet"):
        model.save(tmp_path / "run")


def test_save_and_load_keep_names_and_bytes(tiny_run: Path, tmp_path: Path) -> None:
    model = ACSeg.from_pretrained(tiny_run, device="cpu")
    model.names_ = {2: "sky"}
    assert model.save(tmp_path / "run") is model
    again = ACSeg.from_pretrained(str(tmp_path / "run"), device="cpu")
    assert again.names_ == {2: "sky"}
    assert again.settings == model.settings
    for name in ("generator.safetensors", "classes.safetensors"):
        assert (tmp_path / "run" / name).read_bytes() == (tiny_run / name).read_bytes()


def test_names_reach_the_segments(tiny_run: Path, photos: Photos, tmp_path: Path) -> None:
    model = ACSeg.from_pretrained(tiny_run, device="cpu")
    model.names_ = {1: "one", 2: "two"}
    folder = photos(tmp_path, [f"{n}.png" for n in range(4)])
    named = {s.id: s.name for result in model.predict(folder) for s in result.segments}
    assert named.items() <= {0: None, 1: "one", 2: "two"}.items()


def replace_tensors(path: Path, **tensors: np.ndarray) -> None:
    save_file({**load_file(path), **tensors}, path)


def test_prototypes_of_another_size_are_named(copy: Path) -> None:
    path = copy / "generator.safetensors"
    for shape in ((5, 32), (4, 31), (4,)):
        replace_tensors(path, prototypes=np.zeros(shape, np.float32))
        with pytest.raises(ModelError, match=rf"{path} h(as|olds no) prototypes"):
            ACSeg.from_pretrained(copy, device="cpu")


def test_weights_that_do_not_fit_are_named(copy: Path) -> None:
    path = copy / "generator.safetensors"
    replace_tensors(path, other=np.zeros(3, np.float32))
    with pytest.raises(ModelError, match=f"{path} does not fit: .*other") as caught:
        ACSeg.from_pretrained(copy, device="cpu")
    assert "\n" not in str(caught.value)
    save_file({"prototypes": np.zeros((4, 32), np.float32)}, path)
    with pytest.raises(ModelError, match=f"{path} does not fit"):
        ACSeg.from_pretrained(copy, device="cpu")
    save_file({"other": np.zeros((4, 32), np.float32)}, path)
    with pytest.raises(ModelError, match=f"{path} holds no prototypes"):
        ACSeg.from_pretrained(copy, device="cpu")


def test_centres_of_another_backbone_are_named(copy: Path) -> None:
    save_file({"centres": np.ones((2, 31), np.float32)}, copy / "classes.safetensors")
    with pytest.raises(ModelError, match=r"classes\.safetensors has centres of 31 dim.* has 32"):
        ACSeg.from_pretrained(copy, device="cpu")


def test_a_backbone_that_is_gone_is_named(copy: Path, tmp_path: Path) -> None:
    run = read_model_folder(copy)
    settings = Settings(backbone=str(tmp_path / "gone"), concepts=4)
    write_model_folder(copy, type(run)(settings, run.generator, run.centres, {}))
    with pytest.raises(BackboneError, match=r"there is no folder .*gone"):
        ACSeg.from_pretrained(copy)


def test_a_path_will_do_as_backbone(tiny_backbone: Path) -> None:
    assert ACSeg(tiny_backbone).settings.backbone == str(tiny_backbone)  # type: ignore[arg-type]


def test_the_side_follows_the_patch_where_none_is_given(tiny_backbone: Path) -> None:
    assert ACSeg(str(tiny_backbone), device="cpu").side == 28 * 8
    assert ACSeg(str(tiny_backbone), device="cpu", side=100).side == 100


def test_fit_returns_the_model_and_takes_paths_and_lists(
    tiny_settings: dict[str, Any], photos: Photos, tmp_path: Path
) -> None:
    folder = photos(tmp_path, ["a.png", "b.png"])
    settings = tiny_settings | {"steps": 1, "classes": 2}
    for inputs in (str(folder), [folder / "a.png", str(folder / "b.png")]):
        model = ACSeg(**settings)
        assert model.fit(inputs) is model
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_the_bundled_backbone_brings_the_settings_it_was_made_for(
    tiny_backbone: Path,
    tiny_settings: dict[str, Any],
    tiny_run: Path,
    photos: Photos,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made_for = replace(
        read_model_folder(tiny_run).settings, backbone="bundled", rounds=4, merge=0.75
    )
    bundled = read_model_folder(tiny_run)
    write_model_folder(tmp_path / "bundled", type(bundled)(made_for, bundled.generator, None, {}))
    monkeypatch.setattr("acseg.bundle.BUNDLED", tmp_path / "bundled")
    monkeypatch.setattr("acseg.backbone.folders.bundled_folder", lambda: tiny_backbone)
    folder = photos(tmp_path / "photos", ["a.png", "b.png"])
    short = tiny_settings | {"backbone": "bundled", "steps": 1, "classes": 2, "side": None}
    ACSeg(**short).fit(folder, folder=tmp_path / "run")
    settings = read_model_folder(tmp_path / "run").settings
    assert (settings.backbone, settings.side) == ("bundled", 40)
    assert (settings.rounds, settings.merge) == (4, 0.75)
    own = ACSeg(**short | {"side": 48, "rounds": 0, "merge": 1.0}).fit(folder).settings
    assert (own.side, own.rounds, own.merge) == (48, 0, 1.0)
    assert ACSeg.from_pretrained(device="cpu").segment(folder / "a.png").kind == "concepts"
