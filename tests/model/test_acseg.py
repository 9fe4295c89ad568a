"""ACSeg and the pipeline, through the public face."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file, save_file

import acseg
from acseg import ACSeg, Segmentation
from acseg.classes.clusters import assign_clusters
from acseg.concepts.division import divide_picture
from acseg.errors import BackboneError, DataError, ImageError, ModelError
from acseg.images.batch import to_tensor
from acseg.model.folder import read_model_folder, shipped_generator, write_model_folder
from acseg.model.settings import DESCRIPTORS, Settings

Photos = Callable[..., Path]
Photograph = Callable[..., np.ndarray]


@pytest.fixture(scope="module")
def model(tiny_run: Path) -> ACSeg:
    return ACSeg.from_pretrained(tiny_run, device="cpu", precision="float32")


@pytest.fixture
def exact(tiny_backbone: Path) -> ACSeg:
    return ACSeg(str(tiny_backbone), side=96, device="cpu", precision="float32")


@pytest.fixture
def copy(tiny_run: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model folder that a test may break."""
    for path in tiny_run.iterdir():
        if path.is_file():
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
    assert len(results) == 10
    for result in results:
        assert isinstance(result, Segmentation)
        assert result.kind == "concepts"
        np.testing.assert_array_equal(result.labels, results[0].labels)
        np.testing.assert_array_equal(result.image, array)


def test_one_call_segments_with_the_default_model(photograph: Photograph) -> None:
    result = acseg.segment(photograph(1), granularity=1)
    assert result.labels.shape == (48, 40)
    assert len(acseg.segment([photograph(0), photograph(1)])) == 2


def test_lists_keep_their_order_whatever_the_shapes(model: ACSeg, photograph: Photograph) -> None:
    sizes = [(48, 40), (40, 48), (30, 70), (48, 40)] * 5  # more than a batch
    pictures: list[Any] = [photograph(n, size) for n, size in enumerate(sizes)]
    for result, picture in zip(model.segment(pictures), pictures, strict=True):
        np.testing.assert_array_equal(result.image, picture)
        alone = model.segment(picture)
        assert (result.labels == alone.labels).mean() > 0.999
    assert model.segment([]) == []


def test_labels_of_concepts_are_compact_and_have_a_confidence(
    exact: ACSeg, photograph: Photograph
) -> None:
    for seed in range(5):
        result = exact.segment(photograph(seed, (90, 110)))
        present = np.unique(result.labels).tolist()
        assert present == list(range(len(present)))
        assert [s.id for s in result.segments] == present
        assert all(s.confidence is not None and 0 <= s.confidence <= 1 for s in result.segments)


@pytest.mark.parametrize("edges", [True, False])
def test_granularity_divides_finer_and_nested_and_at_recuts(
    exact: ACSeg, photograph: Photograph, edges: bool
) -> None:
    picture = photograph(3, (90, 110))
    exact.set_params(edges=edges)
    result = exact.segment(picture)
    counts = []
    before = np.zeros(picture.shape[:2], np.int64)
    for g in (0.0, 0.25, 0.5, 0.75, 1.0):
        cut = result.at(g)
        counts.append(len(cut.segments))
        pairs = np.unique(np.stack([before.ravel(), cut.labels.ravel()]), axis=1)
        assert len(pairs[0]) == len(np.unique(cut.labels))  # each part lies in one coarser part
        before = cut.labels.astype(np.int64)
    assert counts[0] == 1
    assert counts == sorted(counts)
    assert counts[-1] == len(np.unique(result.leaves))
    np.testing.assert_array_equal(result.at(0.5).labels, result.labels)
    assert result.at(0.5).confidence == result.confidence
    coarse = exact.segment(picture, granularity=0.0)
    assert len(coarse.segments) == 1
    with pytest.raises(ValueError, match=r"in 0\.\.1"):
        result.at(1.5)


def test_the_exact_division_is_that_of_the_tokens(exact: ACSeg, photograph: Photograph) -> None:
    picture = photograph(2, (96, 96))
    image = to_tensor(picture, side=96, multiple=8)[None]
    tokens = exact.pipeline.encode(image).tokens[0]
    division = divide_picture(tokens, grid=(12, 12))
    (found,) = exact.pipeline.concepts(image)
    assert found is not None
    assert torch.equal(found.division.leaves, division.leaves)
    assert exact.segment(picture).record("a").tree == division.tree.to_dict()


def test_scores_of_parts_are_cosines_with_their_mean(exact: ACSeg, photograph: Photograph) -> None:
    image = to_tensor(photograph(2, (96, 96)), side=96, multiple=8)[None]
    tokens = torch.nn.functional.normalize(exact.pipeline.encode(image).tokens[0], dim=1)
    (found,) = exact.pipeline.concepts(image)
    assert found is not None
    for g in (0.3, 0.5, 0.9):
        part = found.division.tree.cut(g)
        label = part[found.division.leaves]
        means = torch.stack([tokens[label == p].mean(0) for p in range(int(part.max()) + 1)])
        expected = tokens @ torch.nn.functional.normalize(means, dim=1).T
        torch.testing.assert_close(found.part_scores(part), expected, rtol=1e-4, atol=1e-5)


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


def test_features_that_are_not_finite_cost_the_others_nothing(
    model: ACSeg, photograph: Photograph
) -> None:
    images = torch.stack([to_tensor(photograph(n), side=48, multiple=8) for n in range(2)])
    images[0] = torch.nan
    first, second = model.pipeline.concepts(images)
    assert first is None
    assert second is not None
    draw = model.segment_later(images)
    with pytest.raises(ImageError, match="not finite numbers"):
        draw[0](photograph(0))
    assert draw[1](photograph(1)).kind == "concepts"


@pytest.mark.parametrize("seed", range(4))
def test_each_region_gets_the_class_of_its_own_descriptor(
    tiny_run: Path, photograph: Photograph, seed: int
) -> None:
    model = ACSeg.from_pretrained(tiny_run, device="cpu", precision="float32", edges=False)
    picture = photograph(seed, (41, 56))
    image = to_tensor(picture, side=model.pipeline.side, multiple=8)[None]
    (found,) = model.pipeline.concepts(image)
    assert found is not None
    tokens = torch.nn.functional.normalize(model.pipeline.encode(image).tokens[0], dim=1)
    label = found.division.labels(0.5)
    classes = {}
    attention = {p: float(found.attention[label == p].mean()) for p in label.unique().tolist()}
    middle = sorted(attention.values())
    for p in attention:
        mean = torch.nn.functional.normalize(tokens[label == p].mean(0), dim=0)
        cluster = int(assign_clusters(mean[None].numpy(), model.centres_)[0][0])
        front = bool(model.pipeline.regions(found, image[0]).foreground("mean")[p])  # type: ignore[index]
        classes[p] = cluster + 1 if front else 0
        if attention[p] == middle[-1]:
            assert front
    drawn = model.segment(picture).labels
    np.testing.assert_array_equal(
        model.predict(picture).labels, np.vectorize(lambda n: sorted(classes.items())[n][1])(drawn)
    ) if len(np.unique(drawn)) == len(classes) else None
    assert set(np.unique(model.predict(picture).labels)) <= set(classes.values())


def test_classes_lie_among_those_of_the_model(model: ACSeg, photos: Photos, tmp_path: Path) -> None:
    assert model.class_ids == [0, 1, 2]
    seen: set[int] = set()
    folder = photos(tmp_path, [f"{n}.png" for n in range(6)])
    for result in model.predict(sorted(folder.iterdir())):
        seen |= set(np.unique(result.labels).tolist())
    assert seen <= {0, 1, 2}
    assert 0 in seen  # the background is class 0
    assert len(seen) > 1


@pytest.mark.parametrize("division", ["exact", "generator"])
@pytest.mark.parametrize("descriptor", DESCRIPTORS)
@pytest.mark.parametrize("foreground", ["mean", "none", "auto"])
def test_every_division_descriptor_and_foreground_runs(
    tiny_settings: dict[str, Any],
    photos: Photos,
    tmp_path: Path,
    division: str,
    descriptor: str,
    foreground: str,
) -> None:
    folder = photos(tmp_path / "photos", ["a.png", "b.png", "c.png"])
    paths = sorted(folder.iterdir())
    settings = tiny_settings | {"descriptor": descriptor, "foreground": foreground, "steps": 1}
    settings |= {"division": division, "n_classes": 2, "granularity": 0.9}
    model = ACSeg(**settings).fit(folder, folder=tmp_path / "model")
    assert model.class_ids == [0, 1]
    assert model.centres_ is not None
    assert len(model.centres_) == (2 if model.foreground_ == "none" else 1)
    again = ACSeg.from_pretrained(tmp_path / "model", device="cpu", precision="float32")
    assert again.foreground_ == model.foreground_
    for one, other in zip(model.predict(paths), again.predict(paths), strict=True):
        np.testing.assert_array_equal(one.labels, other.labels)


def test_a_crop_side_that_is_no_multiple_of_the_patch_is_rounded(
    tiny_settings: dict[str, Any], photos: Photos, tmp_path: Path
) -> None:
    folder = photos(tmp_path, ["a.png", "b.png"])
    for crop_side in (1, 19):
        changes = {"crop_side": crop_side, "descriptor": "crop", "n_classes": 2, "steps": 1}
        model = ACSeg(**tiny_settings | changes)
        assert len(model.fit(folder).predict(sorted(folder.iterdir()))) == 2


def test_without_classes_there_is_nothing_to_predict(copy: Path, photograph: Photograph) -> None:
    (copy / "classes.safetensors").unlink()
    model = ACSeg.from_pretrained(copy, device="cpu")
    assert model.segment(photograph(0)).kind == "concepts"
    with pytest.raises(ModelError, match="no classes yet; `fit`"):
        model.predict(photograph(0))


def test_without_a_generator_the_division_by_one_is_refused(
    tiny_settings: dict[str, Any], photograph: Photograph
) -> None:
    with pytest.raises(ValueError, match="needs a generator; `fit` trains one"):
        ACSeg(**tiny_settings).segment(photograph(0))


def test_parameters_changed_after_fit_are_not_ignored(
    tiny_run: Path, photograph: Photograph
) -> None:
    model = ACSeg.from_pretrained(tiny_run, device="cpu")
    model.set_params(n_classes=5)
    with pytest.raises(ValueError, match="changed after `fit`"):
        model.predict(photograph(0))
    assert model.set_params(n_classes=3).predict(photograph(0)).kind == "classes"


def test_save_and_load_keep_names_and_bytes(tiny_run: Path, tmp_path: Path) -> None:
    model = ACSeg.from_pretrained(tiny_run, device="cpu")
    model.name({2: "sky"})
    assert model.save_pretrained(tmp_path / "model") is model
    again = ACSeg.from_pretrained(str(tmp_path / "model"), device="cpu")
    assert again.names_ == {2: "sky"}
    assert again.settings == model.settings
    for name in ("generator.safetensors", "classes.safetensors"):
        assert (tmp_path / "model" / name).read_bytes() == (tiny_run / name).read_bytes()


def test_names_merges_and_drops_reach_the_segments(
    tiny_run: Path, photos: Photos, tmp_path: Path
) -> None:
    model = ACSeg.from_pretrained(tiny_run, device="cpu")
    paths = sorted(photos(tmp_path, [f"{n}.png" for n in range(4)]).iterdir())
    before = model.predict(paths)
    model.name({1: "one", 2: "two"})
    named = {s.id: s.name for result in model.predict(paths) for s in result.segments}
    assert named.items() <= {0: None, 1: "one", 2: "two"}.items()
    model.name(merge=[(1, 2)], drop=[0])
    for old, new in zip(before, model.predict(paths), strict=True):
        np.testing.assert_array_equal(new.labels, np.array([255, 1, 1])[old.labels])
    with pytest.raises(DataError, match="merged into 1"):
        model.name({2: "x"})


def test_a_backbone_stands_for_a_model_without_classes(tiny_backbone: Path) -> None:
    model = ACSeg.from_pretrained(str(tiny_backbone), device="cpu", side=48)
    assert model.segment(np.zeros((20, 30, 3), np.uint8)).labels.max() == 0
    assert ACSeg.from_pretrained("bundled").settings.encoding.backbone == "bundled"


def replace_tensors(path: Path, **tensors: np.ndarray) -> None:
    save_file({**load_file(path), **tensors}, path)


@pytest.mark.parametrize("shape", [(5, 32), (4, 31), (4,)])
def test_prototypes_of_another_size_are_named(copy: Path, shape: tuple[int, ...]) -> None:
    path = copy / "generator.safetensors"
    replace_tensors(path, prototypes=np.zeros(shape, np.float32))
    with pytest.raises(ModelError, match=str(path)):
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
    with pytest.raises(ModelError, match="expected prototypes"):
        ACSeg.from_pretrained(copy, device="cpu")


def test_centres_of_another_backbone_are_named(copy: Path) -> None:
    save_file({"centres": np.ones((2, 31), np.float32)}, copy / "classes.safetensors")
    with pytest.raises(ModelError, match=r"classes\.safetensors is for 31 dimensions.* has 32"):
        ACSeg.from_pretrained(copy, device="cpu")


def test_a_backbone_that_is_gone_is_named(copy: Path, tmp_path: Path) -> None:
    found = read_model_folder(copy)
    settings = Settings.of(found.settings.flat() | {"backbone": str(tmp_path / "gone")})
    write_model_folder(copy, replace(found, settings=settings))
    with pytest.raises(BackboneError, match=r"there is no folder .*gone"):
        ACSeg.from_pretrained(copy)


def test_an_output_folder_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "segments.jsonl").write_text("")
    with pytest.raises(ModelError, match="is an output folder; expected a model folder"):
        ACSeg.from_pretrained(tmp_path)


def test_fit_returns_the_model_and_takes_paths_and_lists(
    tiny_settings: dict[str, Any], photos: Photos, tmp_path: Path
) -> None:
    folder = photos(tmp_path, ["a.png", "b.png"])
    settings = tiny_settings | {"steps": 1, "n_classes": 2}
    for inputs in (str(folder), [folder / "a.png", str(folder / "b.png")]):
        model = ACSeg(**settings)
        assert model.fit(inputs) is model
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_auto_takes_the_bundled_backbone_where_no_other_is_at_hand() -> None:
    model = ACSeg()
    assert model.get_params()["backbone"] == "auto"
    assert model.settings.encoding.backbone == "bundled"
    assert model.settings.encoding.side == 160


def test_the_generator_of_dinov2_ships_and_fits_its_blocks() -> None:
    settings = Settings.of({"backbone": "dinov2-small"})
    generator = shipped_generator(settings)
    assert generator is not None
    assert generator.dim == 2 * 384  # two blocks, joined
    assert len(generator.prototypes) == settings.dividing.concepts
    assert shipped_generator(Settings.of({"backbone": "bundled"})) is None
    assert shipped_generator(Settings.of({"backbone": "dinov2-small", "blocks": 12})) is None
    assert shipped_generator(Settings.of({"backbone": "dinov2-small", "concepts": 5})) is None
