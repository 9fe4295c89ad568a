"""The exported graph draws what the model draws, for any number and size of photographs."""

import json

import numpy as np
import pytest
import torch
from acseg.concepts.ground import ground_score
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import ViTConfig, ViTModel

from acseg.classes.foreground import split_foreground
from acseg.concepts.generator import AdaptiveConceptGenerator
from acseg.errors import DataError, ModelError
from acseg.export.onnx import build_core, export_onnx
from acseg.export.onnx_core import foreground_of
from acseg.images.batch import to_tensor
from acseg.images.read import read_image
from acseg.model import ACSeg

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

GROUND = 0.25  # about half of the test photographs score more
SIZES = [(64, 80), (90, 40), (33, 200), (32, 32)]  # the last is the size of training


@pytest.fixture(scope="module")
def model(tmp_path_factory):
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
        rounds=2,
        merge=0.55,
        ground=GROUND,
        concepts=5,
        descriptor="mean-token",
        device="cpu",
        precision="float32",
        runtime="torch",
    )
    model.generator_ = AdaptiveConceptGenerator(24, concepts=5, steps=1).eval()
    model.generator_.requires_grad_(False)
    model.centres_ = torch.randn(4, 24).numpy()
    model.names_, model.becomes_ = {2: "Straße"}, {3: 255, 4: 1}
    return model


@pytest.fixture(scope="module")
def session(model, tmp_path_factory):
    path = export_onnx(model, tmp_path_factory.mktemp("onnx") / "model.onnx")
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def photographs(height, width, n, seed=0):
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
def test_draws_what_the_model_draws(size, n, model, session):
    photos = photographs(*size, n)
    concepts, classes = session.run(["concepts", "classes"], {"photos": photos})
    assert concepts.dtype == classes.dtype == np.uint8
    assert concepts.shape == classes.shape == (n, *size)
    expected = np.stack([s.labels for s in model.segment(list(photos))])
    assert (concepts == expected).mean() > 0.999
    predicted = np.stack([s.labels for s in model.predict(list(photos))])
    assert (classes == predicted).mean() > 0.999


def test_the_test_photographs_show_something(model):
    photos = [p for size in SIZES for p in photographs(*size, 3)]
    numbers = {len(s.segments) for s in model.segment(photos)}
    assert len(numbers) > 1  # merging decides otherwise from picture to picture
    drawn = {c for s in model.predict(photos) for c in np.unique(s.labels)}
    assert {0, 255} <= drawn
    assert len(drawn) > 2


def test_the_test_photographs_are_figures_and_scenes(model):
    photos = [p for size in SIZES for p in photographs(*size, 3)]
    scores = []
    for photo in photos:
        features = model.backbone(to_tensor(photo, side=32, multiple=8)[None])
        scores.append(ground_score(features.tokens, features.grid).item())
    assert 3 < sum(score < GROUND for score in scores) < 9


def test_takes_names_and_settings_along(session):
    facts = json.loads(session.get_modelmeta().custom_metadata_map["acseg"])
    assert facts["names"] == {"2": "Straße"}
    assert facts["settings"]["merge"] == 0.55


@pytest.mark.parametrize("folder", ["camvid", "weizmann_horse", "coco128_seg"])
def test_photographs(folder, shared, model, session):
    """Real photographs."""
    for path in sorted((shared / "labelled" / folder / "images").iterdir())[:2]:
        photo = read_image(path)
        (concepts,) = session.run(["concepts"], {"photos": photo[None]})
        assert (concepts[0] == model.segment(photo).labels).mean() > 0.999


@pytest.mark.parametrize("size", [(480, 640), (100, 77), (20, 900), (333, 500)])
def test_resizes_as_the_model_does(size):
    from acseg.export.onnx_edges import prepare_graph

    session = onnxruntime.InferenceSession(prepare_graph(48, 8).SerializeToString())
    photos = photographs(*size, 2)
    images, shape = session.run(None, {"photos": photos})
    assert tuple(shape) == size
    for photo, image in zip(photos, images):
        expected = to_tensor(photo, side=48, multiple=8).numpy()
        np.testing.assert_allclose(image, expected, atol=5e-5)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.integers(1, 6), st.integers(0, 10_000), st.booleans())
def test_foreground_without_a_table_of_regions(batch, k, seed, ties):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(batch, k, generator=generator)
    scores = (scores * 3).round() / 4 if ties else scores
    present = torch.rand(batch, k, generator=generator) > 0.3
    present[:, 0] = True
    found = foreground_of(scores, present)
    image = torch.arange(batch)[:, None].expand(-1, k)[present]
    assert found[present].tolist() == split_foreground(scores[present], image).tolist()


def test_what_cannot_be_exported_says_why(model, tmp_path):
    with pytest.raises(DataError, match=r"ends in \.onnx"):
        export_onnx(model, tmp_path / "model.pt")
    (tmp_path / "there.onnx").write_text("")
    with pytest.raises(DataError, match=r"there already; --overwrite"):
        export_onnx(model, tmp_path / "there.onnx")
    with pytest.raises(ModelError, match="no generator"):
        export_onnx(ACSeg(), tmp_path / "a.onnx")
    with pytest.raises(ModelError, match="is no RUN"):
        export_onnx(tmp_path, tmp_path / "a.onnx")
    crops = ACSeg(**(model.get_params() | {"descriptor": "crop"}))
    crops.generator_, crops.centres_ = model.generator_, model.centres_
    with pytest.raises(DataError, match=r"'crop', which encodes crops.*mean-token or concept"):
        build_core(crops)
    assert not (tmp_path / "a.onnx").exists()


def test_a_library_that_is_not_installed(model, tmp_path, monkeypatch):
    monkeypatch.setattr("acseg.export.onnx.importlib.util.find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"pip install 'acseg\[onnx\]'"):
        export_onnx(model, tmp_path / "a.onnx")


@pytest.mark.parametrize("descriptor", ["mean-token", "concept-vector"])
@pytest.mark.parametrize("foreground", ["sum", "mean", "none"])
def test_the_middle_classifies_as_predict_does(descriptor, foreground, model):
    other = ACSeg(
        **(model.get_params() | {"descriptor": descriptor, "foreground": foreground}),
    )
    other.generator_, other.centres_ = model.generator_, model.centres_
    photos = photographs(64, 80, 4, seed=1)
    images = torch.stack([to_tensor(p, side=32, multiple=8) for p in photos])
    with torch.inference_mode():
        maps, table = build_core(other)(images)
    found = maps.argmax(dim=1)  # (B, gh, gw)
    drawn = table.gather(1, found.flatten(1)).view_as(found)
    whole = other.conceptualize(images)
    ids, _ = other.classify(other.describe(whole, images), other.foreground(whole))
    assert drawn.tolist() == np.asarray(ids)[whole.regions.ids.numpy()].tolist()
