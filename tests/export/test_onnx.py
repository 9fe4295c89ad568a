"""The exported graph draws what the model draws, for any number and size of photographs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import ViTConfig, ViTModel

from acseg.classes.foreground import split_foreground
from acseg.concepts.generator import AdaptiveConceptGenerator
from acseg.concepts.threshold import picture_threshold
from acseg.errors import DataError, ModelError
from acseg.export.onnx import build_core, export_onnx
from acseg.export.onnx_core import ABSENT, foreground_of, part_numbers, threshold_of
from acseg.images.batch import to_tensor
from acseg.images.read import read_image
from acseg.model import ACSeg

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

SIZES = [(64, 80), (90, 40), (33, 200), (32, 32)]  # the last is the size of training


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ACSeg:
    """A small model with classes: everything that the graph can hold."""
    folder = tmp_path_factory.mktemp("backbone")
    torch.manual_seed(3)
    config = ViTConfig(
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=32,
        patch_size=8,
    )
    vit = ViTModel(config, add_pooling_layer=False)
    for weight in vit.parameters():
        weight.data += 0.1 * torch.randn_like(weight)
    vit.save_pretrained(folder)
    model = ACSeg(
        str(folder),
        side=32,
        stride=4,
        division="generator",
        edges=False,
        concepts=5,
        foreground="mean",
        device="cpu",
        precision="float32",
        runtime="torch",
    )
    model.generator_ = AdaptiveConceptGenerator(24, concepts=5).eval()
    model.generator_.requires_grad_(False)
    model.centres_ = torch.randn(4, 24).numpy()
    model.foreground_ = "mean"
    model.names_, model.becomes_ = {1: "Straße"}, {2: 255, 4: 1}
    return model


@pytest.fixture(scope="module")
def session(model: ACSeg, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = export_onnx(model, tmp_path_factory.mktemp("onnx") / "model.onnx")
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def photographs(height: int, width: int, n: int, seed: int = 0) -> np.ndarray:
    """Blocks of colour with noise, so that there is something to segment."""
    random = np.random.default_rng(seed)
    photos = []
    for _ in range(n):
        blocks = Image.fromarray(random.integers(0, 256, (3, 4, 3), dtype=np.uint8))
        photo = np.asarray(blocks.resize((width, height), Image.Resampling.NEAREST)).astype(int)
        photos.append((photo + random.integers(-20, 20, photo.shape)).clip(0, 255))
    return np.stack(photos).astype(np.uint8)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("n", [1, 3])
def test_draws_what_the_model_draws(
    size: tuple[int, int], n: int, model: ACSeg, session: Any
) -> None:
    photos = photographs(*size, n)
    concepts, classes = session.run(["concepts", "classes"], {"photos": photos})
    assert concepts.dtype == classes.dtype == np.uint8
    assert concepts.shape == classes.shape == (n, *size)
    np.testing.assert_array_equal(concepts, [s.labels for s in model.segment(list(photos))])
    np.testing.assert_array_equal(classes, [s.labels for s in model.predict(list(photos))])


def test_the_test_photographs_show_something(model: ACSeg) -> None:
    photos = [p for size in SIZES for p in photographs(*size, 3)]
    numbers = {len(s.segments) for s in model.segment(photos)}
    assert len(numbers) > 1
    merged = [
        len(c.division.tree.sizes) - int(c.division.tree.cut(0.5).max()) - 1
        for photo in photos
        for c in model.pipeline.concepts(to_tensor(photo, side=32, multiple=8)[None])
        if c is not None
    ]
    assert max(merged) > 0  # merging decides otherwise from picture to picture
    drawn = {int(c) for s in model.predict(photos) for c in np.unique(s.labels)}
    assert {0, 255} <= drawn
    assert len(drawn) > 2


def test_takes_names_and_settings_along(session: Any) -> None:
    facts = json.loads(session.get_modelmeta().custom_metadata_map["acseg"])
    assert facts["names"] == {"1": "Straße"}
    assert facts["settings"]["dividing"]["concepts"] == 5


def test_a_model_folder_without_classes_has_concepts_alone(model: ACSeg, tmp_path: Path) -> None:
    plain = ACSeg(**model.get_params())
    plain.generator_ = model.generator_
    plain.save_pretrained(tmp_path / "model")
    path = export_onnx(tmp_path / "model", tmp_path / "model.onnx")
    alone = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert [output.name for output in alone.get_outputs()] == ["concepts"]
    photos = photographs(64, 80, 2)
    (concepts,) = alone.run(None, {"photos": photos})
    np.testing.assert_array_equal(concepts, [s.labels for s in plain.segment(list(photos))])


@pytest.mark.parametrize("folder", ["camvid", "weizmann_horse", "coco128_seg"])
def test_photographs(folder: str, shared: Path, model: ACSeg, session: Any) -> None:
    """Real photographs; rounding may move a pixel where two scores are equal."""
    for path in sorted((shared / "labelled" / folder / "images").iterdir())[:2]:
        photo = read_image(path)
        (concepts,) = session.run(["concepts"], {"photos": photo[None]})
        assert (concepts[0] == model.segment(photo).labels).mean() > 0.9999


@pytest.mark.parametrize("size", [(480, 640), (100, 77), (20, 900), (333, 500)])
def test_resizes_as_the_model_does(size: tuple[int, int]) -> None:
    from acseg.export.onnx_edges import prepare_graph

    session = onnxruntime.InferenceSession(prepare_graph(48, 8).SerializeToString())
    photos = photographs(*size, 2)
    images, shape = session.run(None, {"photos": photos})
    assert tuple(shape) == size
    for photo, image in zip(photos, images, strict=True):
        expected = to_tensor(photo, side=48, multiple=8).numpy()
        np.testing.assert_allclose(image, expected, atol=5e-5)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.integers(1, 6), st.integers(0, 10_000), st.booleans())
def test_foreground_without_a_table_of_regions(batch: int, k: int, seed: int, ties: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(batch, k, generator=generator)
    scores = (scores * 3).round() / 4 if ties else scores
    present = torch.rand(batch, k, generator=generator) > 0.3
    present[:, 0] = True
    found = foreground_of(scores, present)
    for i in range(batch):
        assert torch.equal(found[i][present[i]], split_foreground(scores[i][present[i]]))


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 30), st.integers(0, 10_000))
def test_thresholds_are_those_of_each_picture(n: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(3, n, 4, generator=generator) + torch.rand(3, 1, 4, generator=generator)
    found = threshold_of(torch.nn.functional.normalize(tokens, dim=2))
    torch.testing.assert_close(found, picture_threshold(tokens), atol=1e-4, rtol=0)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(1, 12), st.integers(0, 10_000))
def test_parts_are_numbered_by_their_first_token(k: int, n: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    leaf = torch.randint(k, (n,), generator=generator)
    group = torch.randint(k, (k,), generator=generator)  # part of each leaf
    found = part_numbers(group[None], torch.nn.functional.one_hot(leaf, k).float()[None])[0]
    order = list(dict.fromkeys(group[leaf].tolist()))
    assert found[leaf].tolist() == [order.index(p) for p in group[leaf].tolist()]


def test_what_cannot_be_exported_says_why(model: ACSeg, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ends in \.onnx"):
        export_onnx(model, tmp_path / "model.pt")
    (tmp_path / "there.onnx").write_text("")
    with pytest.raises(DataError, match=r"there already; --overwrite"):
        export_onnx(model, tmp_path / "there.onnx")
    with pytest.raises(ModelError, match="is no model folder"):
        export_onnx(tmp_path, tmp_path / "a.onnx")

    def other(**parameters: Any) -> ACSeg:
        made = ACSeg(**(model.get_params() | parameters))
        made.generator_, made.centres_ = model.generator_, model.centres_
        return made

    exact = other(division="exact")
    exact.generator_ = None
    for wrong, words in (
        (exact, "fit with --steps 1000, which trains a generator"),
        (other(descriptor="crop"), "Fit with --set descriptor=mean-token"),
        (other(granularity=0.6), "only granularity 0.5"),
    ):
        with pytest.raises(DataError, match=words):
            export_onnx(wrong, tmp_path / "a.onnx")
    assert not (tmp_path / "a.onnx").exists()


def test_a_library_that_is_not_installed(
    model: ACSeg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("acseg.export.onnx.importlib.util.find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"pip install 'acseg\[onnx\]'"):
        export_onnx(model, tmp_path / "a.onnx")


@pytest.mark.parametrize("foreground", ["sum", "mean", "none"])
def test_the_middle_classifies_as_predict_does(foreground: str, model: ACSeg) -> None:
    other = ACSeg(**(model.get_params() | {"foreground": foreground}))
    other.generator_, other.centres_ = model.generator_, model.centres_
    other.foreground_ = foreground
    images = torch.stack(
        [to_tensor(p, side=32, multiple=8) for p in photographs(64, 80, 4, seed=1)]
    )
    with torch.inference_mode():
        maps, table = build_core(other)(images)
    for i, found in enumerate(other.pipeline.concepts(images)):
        assert found is not None
        regions = other.pipeline.regions(found, images[i])
        scores = found.part_scores(regions.part)  # (N, R)
        r = scores.shape[1]
        torch.testing.assert_close(maps[i].flatten(1)[:r], scores.T, atol=1e-5, rtol=0)
        assert (maps[i][r:] == ABSENT).all()
        ids, _ = other.classify(regions)
        assert table[i][:r].tolist() == ids.tolist()
