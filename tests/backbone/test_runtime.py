"""Other runtimes give what torch gives, for every family, and say why where they cannot."""

import logging
import threading

import pytest
import torch
from torch import nn

from acseg.backbone import runtime as chooser
from acseg.backbone.load import load_backbone
from acseg.backbone.runtime import choose_runtime, hindrance
from acseg.backbone.vit import TransformersVit
from acseg.errors import BackboneError

from .conftest import KINDS

CPU, GPU = torch.device("cpu"), torch.device("cuda")
SIZES = [(2, 32, 32), (1, 24, 40), (5, 16, 20)]  # one export serves all


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    """Keep exports in a folder of the tests, shared between them."""
    patch = pytest.MonkeyPatch()
    patch.setenv("ACSEG_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()


@pytest.fixture
def vit():
    return TransformersVit.__new__(TransformersVit)


def images(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", KINDS)
def test_openvino_gives_what_torch_gives(kind, checkpoint):
    pytest.importorskip("openvino")
    settings = {"blocks": 3, "stride": 2} if kind == "vit" else {"blocks": (2, 5)}
    same_as_torch("openvino", str(checkpoint(kind)), settings)


def same_as_torch(runtime, folder, settings):
    exact = load_backbone(folder, precision="float32", **settings)
    other = load_backbone(folder, precision="float32", runtime=runtime, **settings)
    assert other.runtime == runtime
    for b, height, width in SIZES:
        batch = images(b, 3, height, width)
        expected, found = exact(batch), other(batch)
        assert found.grid == expected.grid
        assert found.tokens.dtype == found.attention.dtype == torch.float32
        torch.testing.assert_close(found.tokens, expected.tokens, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(found.attention, expected.attention, atol=1e-5, rtol=1e-3)


def test_openvino_in_bfloat16_is_close_to_float32(checkpoint):
    pytest.importorskip("openvino")
    batch = images(2, 3, 24, 32)
    exact = load_backbone(str(checkpoint("vit")), precision="float32")(batch)
    lower = load_backbone(str(checkpoint("vit")), precision="bfloat16", runtime="openvino")(batch)
    cosine = torch.nn.functional.cosine_similarity(exact.tokens, lower.tokens, dim=-1)
    assert cosine.min() > 0.99
    torch.testing.assert_close(exact.attention, lower.attention, atol=0.02, rtol=0.1)


def test_what_it_gives_stays_when_it_runs_again(checkpoint):
    pytest.importorskip("openvino")
    backbone = load_backbone(str(checkpoint("vit")), runtime="openvino")
    first = backbone(images(2, 3, 16, 16))
    kept = first.tokens.clone(), first.attention.clone()
    backbone(images(2, 3, 16, 16, seed=1))
    assert torch.equal(first.tokens, kept[0])
    assert torch.equal(first.attention, kept[1])
    weight = torch.ones(32, requires_grad=True)
    (first.tokens * weight).sum().backward()  # may enter a training


def test_threads_may_share_it(checkpoint):
    pytest.importorskip("openvino")
    backbone = load_backbone(str(checkpoint("vit")), precision="float32", runtime="openvino")
    batches = [images(1 + seed % 3, 3, 16, 16, seed=seed) for seed in range(4)]
    expected = [backbone(batch) for batch in batches]
    found = {}

    def work(number):
        found[number] = [backbone(batches[number]) for _ in range(10)]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for number, results in found.items():
        for result in results:
            torch.testing.assert_close(result.tokens, expected[number].tokens)


def installed(monkeypatch, *modules):
    monkeypatch.setattr(
        chooser.importlib.util, "find_spec", lambda name: name if name in modules else None
    )


@pytest.mark.parametrize(("modules", "chosen"), [(("openvino",), "openvino"), ((), "torch")])
def test_auto_takes_openvino_where_it_is_there(modules, chosen, vit, monkeypatch, caplog):
    monkeypatch.setattr(chooser, "bfloat16_hardware", lambda device: "the processor has it")
    installed(monkeypatch, *modules)
    with caplog.at_level(logging.INFO, logger="acseg"):
        found = choose_runtime("auto", device=CPU, vit=vit, name="x")
    assert found == chosen
    assert f"runtime: {chosen}" in caplog.text


def test_auto_is_torch_without_bfloat16_in_hardware(vit, monkeypatch):
    monkeypatch.setattr(chooser, "bfloat16_hardware", lambda device: "")
    installed(monkeypatch, "openvino")
    assert choose_runtime("auto", device=CPU, vit=vit, name="x") == "torch"


def test_auto_is_torch_on_a_gpu_and_for_timm(vit, monkeypatch):
    installed(monkeypatch, "openvino")
    assert choose_runtime("auto", device=GPU, vit=vit, name="x") == "torch"
    assert choose_runtime("auto", device=CPU, vit=nn.Identity(), name="x") == "torch"


def test_what_is_asked_for_and_cannot_be_says_why(vit, monkeypatch):
    def ask(runtime, device=CPU, model=vit):
        choose_runtime(runtime, device=device, vit=model, name="timm/x")

    with pytest.raises(BackboneError, match="unknown runtime 'tensorrt'; use auto, torch"):
        ask("tensorrt")
    installed(monkeypatch)
    with pytest.raises(BackboneError, match=r"pip install 'acseg\[openvino\]'"):
        ask("openvino")
    installed(monkeypatch, "openvino")
    with pytest.raises(BackboneError, match="processor only, not on cuda; use --device cpu"):
        ask("openvino", device=GPU)
    with pytest.raises(BackboneError, match=r"'timm/x' is a model of timm.*--runtime torch"):
        ask("openvino", model=nn.Identity())
    assert hindrance("torch", GPU, nn.Identity(), "x") == ""


def test_a_runtime_that_fails_is_replaced_only_if_it_was_not_asked_for(
    checkpoint, monkeypatch, caplog
):
    pytest.importorskip("openvino")

    def fails(*args, **kwargs):
        raise RuntimeError("no such\noperator")

    monkeypatch.setattr("acseg.backbone.backbone.make_engine", fails)
    monkeypatch.setattr(chooser, "bfloat16_hardware", lambda device: "the processor has it")
    batch, name = images(1, 3, 8, 8), str(checkpoint("vit"))
    with pytest.raises(BackboneError, match=r"openvino cannot take over.*no such operator.*torch"):
        load_backbone(name, runtime="openvino")(batch)
    spared = load_backbone(name, precision="float32", runtime="auto")
    with caplog.at_level(logging.WARNING, logger="acseg"):
        found = spared(batch)
    assert spared.runtime == "torch"
    assert "runtime: torch, as openvino failed" in caplog.text
    expected = load_backbone(name, precision="float32")(batch)
    assert torch.equal(found.tokens, expected.tokens)
