import numpy as np
import pytest
from scipy.io import savemat

from acseg.errors import ImageError
from research.datasets import check_dataset, open_dataset

FINE = np.array([[0, 1, 2], [3, 4, 5], [255, 0, 0]], np.uint8)
COARSE = [[0, 1, 2], [2, 0, 1], [255, 0, 0]]


@pytest.fixture
def potsdam(tmp_path):
    home = tmp_path / "potsdam"
    for folder in ("imgs", "gt"):
        (home / folder).mkdir(parents=True)
    image = np.arange(36, dtype=np.uint8).reshape(3, 3, 4)
    for name in ("7", "12"):
        savemat(home / "imgs" / f"{name}.mat", {"img": image})
        savemat(home / "gt" / f"{name}.mat", {"gt": FINE})
    (home / "labelled_test.txt").write_text("12\n")
    (home / "labelled_train.txt").write_text("7\n")
    return tmp_path


def test_crops_are_read_without_infrared_and_joined_to_three(potsdam):
    data = open_dataset("potsdam-3", potsdam)
    assert [sample.name for sample in data] == ["12"]
    assert data[0].image()[0].tolist() == [[0, 1, 2], [4, 5, 6], [8, 9, 10]]
    assert data[0].mask().tolist() == COARSE
    assert len(data.classes) == 3
    assert check_dataset("potsdam-3", potsdam).rows[0].expected == 855


def test_crops_of_mmsegmentation_count_from_one(put, tmp_path):
    put("img_dir/val/2_13_0_0_512_512.png")
    values = np.where(FINE == 255, 0, FINE + 1)
    put("ann_dir/val/2_13_0_0_512_512.png", values)
    data = open_dataset("potsdam-3", tmp_path)
    assert data[0].mask().tolist() == COARSE
    assert data[0].image().shape == (12, 16, 3)
    assert check_dataset("potsdam-3", tmp_path).rows[0].expected is None


def test_broken_file_is_named(potsdam):
    (potsdam / "potsdam" / "gt" / "12.mat").write_bytes(b"no matlab")
    with pytest.raises(ImageError, match=r"12\.mat"):
        open_dataset("potsdam-3", potsdam)[0].mask()
