"""What several tests share."""

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

SHARED = Path(__file__).resolve().parents[2] / "shared"
COLOURS = ((200, 30, 30), (30, 180, 40), (30, 60, 210), (230, 210, 40), (120, 120, 120))
NAMED_COLOURS = {
    "red": (200, 30, 30),
    "green": (30, 180, 40),
    "blue": (30, 60, 210),
    "yellow": (230, 210, 40),
    "grey": (120, 120, 120),
}
WORDS = ["<pad>", "<start>", "<unk>", "<end>", "a", "photo", "of", "the", ".", *NAMED_COLOURS]


def pytest_configure(config: pytest.Config) -> None:
    """Give the tests empty caches of their own; subprocesses inherit them.

    So no test finds a backbone that the developer fetched, and none writes into their cache.
    """
    folder = tempfile.mkdtemp(prefix="acseg-tests-")
    os.environ["XDG_CACHE_HOME"] = folder
    os.environ["ACSEG_CACHE"] = os.path.join(folder, "acseg")
    os.environ["HF_HOME"] = os.path.join(folder, "huggingface")
    os.environ["HF_HUB_CACHE"] = os.path.join(folder, "huggingface", "hub")
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photographs beside the project; tests that need it skip without it."""
    if not (SHARED / "labelled").is_dir():
        pytest.skip("needs the photographs in ../shared, which are not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DINO ViT of 32 dimensions, 2 layers and patch 8 with random weights."""
    import torch
    from transformers import ViTConfig, ViTModel

    config = ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        image_size=48,
        patch_size=8,
    )
    model = ViTModel(config, add_pooling_layer=False)
    random = torch.Generator().manual_seed(7)
    for name, weight in model.named_parameters():
        values = 0.2 * torch.randn(weight.shape, generator=random)
        weight.data = values + (1 if "norm" in name and name.endswith("weight") else 0)
    folder = tmp_path_factory.mktemp("backbone") / "tiny"
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def photograph() -> Callable[..., np.ndarray]:
    """Make a picture (H, W, 3) of coloured areas with some noise; another one for each seed."""

    def make(seed: int, size: tuple[int, int] = (48, 40)) -> np.ndarray:
        random = np.random.default_rng(seed)
        height, width = size
        picture = np.empty((height, width, 3))
        picture[:] = COLOURS[seed % 5]
        picture[random.integers(height // 4, height // 2) :] = COLOURS[(seed + 1) % 5]
        picture[: height // 2, width // 2 :] = COLOURS[(seed + 3) % 5]
        return (picture + random.normal(0, 8, picture.shape)).clip(0, 255).astype(np.uint8)

    return make


@pytest.fixture(scope="session")
def photos(photograph: Callable[..., np.ndarray]) -> Callable[..., Path]:
    """Write pictures of these names into a folder, and give the folder."""

    def write(
        folder: Path, names: Sequence[str], *, size: tuple[int, int] = (48, 40), **save: Any
    ) -> Path:
        for seed, name in enumerate(names):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(photograph(seed, size)).save(path, **save)
        return folder

    return write


@pytest.fixture(scope="session")
def tiny_settings(tiny_backbone: Path) -> dict[str, Any]:
    """Settings with which a fit takes a second."""
    return {
        "backbone": str(tiny_backbone),
        "side": 40,
        "division": "generator",
        "concepts": 4,
        "steps": 6,
        "batch_size": 3,
        "warmup": 2,
        "sample": 16,
        "crop_side": 16,
        "n_init": 2,
        "n_classes": 3,
        "foreground": "mean",
        "device": "cpu",
        "precision": "float32",
        "runtime": "torch",
    }


@pytest.fixture(scope="session")
def tiny_run(
    tmp_path_factory: pytest.TempPathFactory,
    photos: Callable[..., Path],
    tiny_settings: dict[str, Any],
) -> Path:
    """A model folder with 3 classes, background included; do not change it."""
    from acseg import ACSeg

    root = tmp_path_factory.mktemp("fitted")
    folder = photos(root / "photos", [f"{n}.png" for n in range(6)])
    ACSeg(**tiny_settings).fit(folder, folder=root / "run")
    return root / "run"


@pytest.fixture(scope="session")
def colour_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP with random weights, tokenizer included, whose projections are solved for.

    Names of colours and pixels of them come to lie near the same axes; all else is chance.
    """
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast

    from acseg.text.models import PROMPTS, TextImageModel

    inner = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))
    inner.normalizer = normalizers.Lowercase()
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", 1), ("<end>", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="<end>", unk_token="<unk>"
    )
    size = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
    size["num_hidden_layers"] = 1
    text = {"vocab_size": len(WORDS), "max_position_embeddings": 16}
    text |= {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 3}
    torch.manual_seed(0)
    clip = CLIPModel(
        CLIPConfig(
            text_config=size | text,
            vision_config=size | {"image_size": 24, "patch_size": 4},
            projection_dim=16,
        )
    )
    for weight in clip.parameters():
        weight.data += 0.3 * torch.randn_like(weight)
    clip.vision_model.embeddings.position_embedding.weight.data.zero_()
    clip.logit_scale.data = torch.tensor(20.0).log()
    model, axes = TextImageModel(clip, tokenizer), torch.eye(len(NAMED_COLOURS), 16)
    clip.text_projection.weight.data = clip.visual_projection.weight.data = torch.eye(16)
    texts = [prompt.replace("{}", name) for name in NAMED_COLOURS for prompt in PROMPTS]
    tokens = tokenizer(texts, padding=True, return_tensors="pt")
    told = clip.text_model(**{k: tokens[k] for k in ("input_ids", "attention_mask")}).pooler_output
    plain = torch.tensor(list(NAMED_COLOURS.values())).float()[:, None, :, None, None] / 255
    noisy = plain + 0.04 * torch.randn(len(NAMED_COLOURS), 8, 3, 24, 24)
    seen = model.tokens(noisy.flatten(0, 1)).tokens.flatten(0, 1)  # (5 * 8 * 36, 16)
    clip.text_projection.weight.data = _solve(told, axes)
    clip.visual_projection.weight.data = _solve(seen, axes)
    folder = tmp_path_factory.mktemp("text") / "clip"
    tokenizer.save_pretrained(folder)
    clip.save_pretrained(folder)
    return folder


def _solve(rows: Any, axes: Any) -> Any:
    """The weights that turn the rows, as many for each axis, into the axes."""
    import torch

    wanted = axes.repeat_interleave(len(rows) // len(axes), dim=0)
    found = torch.linalg.lstsq(rows.double(), wanted.double()).solution
    return found.T.float().contiguous()


@dataclass
class Made:
    """A model with four classes, without background, and what it might have predicted."""

    run: Path
    out: Path
    names: tuple[str, ...] = ("red", "green", "blue", "yellow")


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Class c of the model is drawn where the pictures have the c-th colour."""
    from acseg.model.folder import ModelFolder, write_model_folder
    from acseg.model.segmentation import Segmentation
    from acseg.model.settings import Settings
    from acseg.output.records import ClassRecord, Exemplar, write_classes, write_records

    run, out, photos = tmp_path / "run", tmp_path / "out", tmp_path / "photos"
    settings = Settings.of({"foreground": "none", "n_classes": 4})
    write_model_folder(
        run, ModelFolder(settings, None, np.eye(4, dtype=np.float32)), notes={"pictures": 3}
    )
    photos.mkdir()
    table = np.array(list(NAMED_COLOURS.values()), dtype=np.float64)
    records, exemplars = [], {c: [] for c in range(4)}
    random = np.random.default_rng(1)
    for n in range(3):
        labels = np.full((40, 60), n, dtype=np.uint8)
        labels[10:30, 20:50] = n + 1
        image = table[labels] + random.normal(0, 4, (40, 60, 3))
        image = image.clip(0, 255).astype(np.uint8)
        Image.fromarray(image).save(photos / f"{n}.png")
        sure = {n: 0.5, n + 1: 0.9}
        found = Segmentation(labels, image, "classes", sure)
        found.save(out / "labels" / f"{n}.png")
        (out / "overlays").mkdir(exist_ok=True)
        found.overlay().save(out / "overlays" / f"{n}.jpg", quality=90)
        record = found.record(f"{n}.png", labels=f"labels/{n}.png", source=f"../photos/{n}.png")
        records.append(record)
        for segment in record.segments:
            exemplars[segment.id].append(Exemplar(record.path, segment.box))
    write_records(out / "segments.jsonl", records)
    shares = (0.25, 1 / 3, 1 / 3, 1 / 12)
    classes = [
        ClassRecord(c, None, (c, 0, 0), shares[c], 0.5 + c / 10, tuple(exemplars[c]))
        for c in range(4)
    ]
    write_classes(out / "classes.json", classes)
    return Made(run, out)


@pytest.fixture
def acseg(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command line in this process: status, stdout, stderr."""
    from acseg import cli

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        code = left.value.code
        return code if isinstance(code, int) else 0, captured.out, captured.err

    return run
