import numpy as np
import pytest

from acseg.errors import DataError, ImageError
from research.datasets import open_dataset

IDS = np.array([[0, 1, 50], [255, 256, 919], [1000, 300, 50]])
RGB = np.stack([IDS % 256, IDS // 256, 0 * IDS], axis=2)


@pytest.mark.parametrize(
    ("number", "void", "expected"),
    [
        (50, 255, [[0, 1, 50], [255, 255, 255], [255, 255, 50]]),
        (300, 65535, [[0, 1, 50], [255, 256, 65535], [65535, 300, 50]]),
        (919, 65535, [[0, 1, 50], [255, 256, 919], [65535, 300, 50]]),
    ],
)
def test_ids_are_red_and_green_and_1000_is_void(put, tmp_path, number, void, expected):
    home = f"imagenet-s/ImageNetS{number}"
    put(f"{home}/validation/n01443537/ILSVRC2012_val_1.JPEG")
    put(f"{home}/validation-segmentation/n01443537/ILSVRC2012_val_1.png", RGB)
    data = open_dataset(f"imagenet-s-{number}", tmp_path)
    assert data.void == void
    assert data[0].name == "n01443537/ILSVRC2012_val_1"
    assert data[0].image().shape == (12, 16, 3)
    assert data[0].mask().tolist() == expected
    assert data.classes[:2] == ("other", "class 1")
    assert len(data.classes) == number + 1


def test_whole_set_names_its_classes_by_tag(put, tmp_path):
    for index in range(50):
        put(f"validation-segmentation/n{index:08}/a.png", RGB)
    data = open_dataset("imagenet-s-50", tmp_path)
    assert data.classes[50] == "n00000049"


def test_another_size_is_not_taken_for_it(put, tmp_path):
    put("ImageNetS300/validation-segmentation/n01/a.png", RGB)
    with pytest.raises(DataError, match="no ImageNet-S-50 here"):
        open_dataset("imagenet-s-50", tmp_path / "ImageNetS300")


def test_broken_mask_is_named(put, tmp_path):
    put("validation-segmentation/n01/a.png", RGB).write_bytes(b"x")
    with pytest.raises(ImageError, match=r"a\.png"):
        open_dataset("imagenet-s-50", tmp_path)[0].mask()
