from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from acseg.errors import DataError
from acseg.pretraining.loop import write_backbone
from acseg.pretraining.network import new_vit
from acseg.pretraining.probe import PICTURES, probe_folder, probe_pairs


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> str:
    import torch

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("backbone")
    write_backbone(new_vit(16, 1, 2, 8, 32), folder)
    return str(folder)


def test_a_probe_scores_between_0_and_1_the_same_each_time(backbone: str, labelled: Path) -> None:
    score = probe_folder(backbone, labelled, side=48, device="cpu")
    assert 0.2 < score <= 1  # a disc on ground is easy for any features
    assert probe_folder(backbone, labelled, side=48, device="cpu") == score


def test_a_picture_without_a_labelled_pixel_does_not_spoil_the_mean(
    backbone: str, labelled: Path
) -> None:
    mask = labelled / "masks" / "1.png"
    Image.new("L", (48, 40), 255).save(mask)
    with_void = probe_folder(backbone, labelled, side=48, device="cpu")
    mask.unlink()
    (labelled / "images" / "1.jpg").unlink()
    assert with_void == probe_folder(backbone, labelled, side=48, device="cpu")


@pytest.mark.filterwarnings("error")
def test_a_folder_without_a_labelled_pixel_is_refused(backbone: str, labelled: Path) -> None:
    for mask in (labelled / "masks").iterdir():
        Image.new("L", (48, 40), 255).save(mask)
    with pytest.raises(DataError, match="no labelled pixel"):
        probe_folder(backbone, labelled, side=48, device="cpu")


def test_pairs_are_chosen_over_the_folder_with_their_masks(tmp_path: Path) -> None:
    (tmp_path / "images" / "in").mkdir(parents=True)
    (tmp_path / "masks" / "in").mkdir(parents=True)
    for i in range(3 * PICTURES):
        (tmp_path / "images" / "in" / f"{i:03}.jpg").touch()
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "masks" / "in" / f"{i:03}.png")
    pairs = probe_pairs(tmp_path)
    assert [p.stem for p, _ in pairs] == [f"{3 * i:03}" for i in range(PICTURES)]
    assert all(m == tmp_path / "masks" / "in" / f"{p.stem}.png" for p, m in pairs)


def test_a_folder_without_pictures_and_a_picture_without_mask_are_named(
    labelled: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"nowhere.*no picture to probe with"):
        probe_pairs(tmp_path / "nowhere")
    (labelled / "masks" / "1.png").unlink()
    with pytest.raises(DataError, match=r"1\.jpg has no mask to probe with; expected .*1\.png"):
        probe_pairs(labelled)
