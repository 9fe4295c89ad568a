import logging

import pytest
import torch

from acseg.backbone.precision import bfloat16_hardware, choose_device, choose_precision
from acseg.errors import BackboneError

CPU = torch.device("cpu")
PROBES = ["_is_amx_tile_supported", "_is_avx512_bf16_supported"]


def set_probes(monkeypatch, *answers):
    for probe, answer in zip(PROBES, answers):
        monkeypatch.setattr(torch.cpu, probe, lambda answer=answer: answer, raising=False)


@pytest.mark.parametrize(
    ("amx", "avx", "dtype", "words"),
    [
        (True, True, torch.bfloat16, "amx_bf16"),
        (False, True, torch.bfloat16, "avx512_bf16"),
        (False, False, torch.float32, "float32 on cpu"),
    ],
)
def test_auto_follows_the_processor(amx, avx, dtype, words, monkeypatch, caplog):
    set_probes(monkeypatch, amx, avx)
    with caplog.at_level(logging.INFO, logger="acseg"):
        assert choose_precision(CPU) == dtype
    assert words in caplog.text


def test_a_torch_without_the_probes(monkeypatch):
    for probe in PROBES:
        monkeypatch.delattr(torch.cpu, probe, raising=False)
    assert choose_precision(CPU) == torch.float32


@pytest.mark.parametrize(
    ("name", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_asked_for(name, dtype, caplog):
    with caplog.at_level(logging.INFO, logger="acseg"):
        assert choose_precision(CPU, name) == dtype
    assert f"{name}, as asked for" in caplog.text


def test_unknown_precision():
    with pytest.raises(BackboneError, match=r"unknown precision 'float8'.*bfloat16"):
        choose_precision(CPU, "float8")


@pytest.mark.parametrize(("capability", "fast"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_gpus(capability, fast, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some GPU")
    assert bfloat16_hardware(torch.device("cuda")) == ("Some GPU" if fast else "")
    assert bfloat16_hardware(torch.device("mps")) == ""


@pytest.mark.parametrize("there", [True, False])
def test_device_auto(there, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert choose_device().type == ("cuda" if there else "cpu")


def test_devices_that_are_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose_device("cuda:0") == torch.device("cuda:0")
    assert choose_device(CPU) == CPU
    with pytest.raises(BackboneError, match=r"'cuda:1'.*sees 1"):
        choose_device("cuda:1")
    with pytest.raises(BackboneError, match="unknown device 'abacus'"):
        choose_device("abacus")
