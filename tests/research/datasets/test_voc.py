import numpy as np
import pytest

from acseg.errors import DataError
from research.datasets import check_dataset, open_dataset

MASK = np.zeros((12, 16), np.uint8)
MASK[:4] = 15
MASK[4] = 255
MASK[5:] = 20


@pytest.fixture
def voc(put, tmp_path):
    home = "data/VOCdevkit/VOC2012"
    for name in ("2007_1", "2007_2", "2008_3"):
        put(f"{home}/JPEGImages/{name}.jpg")
    for name in ("2007_1", "2007_2"):
        put(f"{home}/SegmentationClass/{name}.png", MASK, palette=True)
    put(f"{home}/SegmentationClassAug/2008_3.png", MASK)
    lists = tmp_path / home / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("2007_1\n")
    (lists / "val.txt").write_text("2007_2\n\n")
    (lists / "aug.txt").write_text("2008_3\n")
    return tmp_path / "data"


def test_val_is_read_by_its_list_with_the_official_classes(voc):
    data = open_dataset("voc", voc)
    assert (data.split, len(data), len(data.classes)) == ("val", 1, 21)
    assert data.classes[0] == "background"
    assert data.classes[15] == "person"
    assert data.classes[20] == "tvmonitor"
    sample = data[0]
    assert sample.name == "2007_2"
    assert sample.image().shape == (12, 16, 3)
    np.testing.assert_array_equal(sample.mask(), MASK)


@pytest.mark.parametrize("root", ["data", "data/VOCdevkit/VOC2012"])
def test_root_may_be_above(voc, tmp_path, root):
    assert len(open_dataset("voc", tmp_path / root, "train")) == 1


def test_train_aug_takes_both_lists_and_both_folders_of_masks(voc):
    data = open_dataset("voc", voc, "train_aug")
    assert [(s.name, s.mask_path.parent.name) for s in data] == [
        ("2007_1", "SegmentationClass"),
        ("2008_3", "SegmentationClassAug"),
    ]


@pytest.mark.parametrize("name", ["trainaug.txt", "train_aug.txt"])
def test_train_aug_prefers_its_own_list_also_with_paths(voc, name):
    lists = voc / "VOCdevkit/VOC2012/ImageSets/Segmentation"
    (lists / name).write_text("/JPEGImages/2008_3.jpg /SegmentationClassAug/2008_3.png\n")
    assert [sample.name for sample in open_dataset("voc", voc, "train_aug")] == ["2008_3"]


def test_train_aug_without_any_list_is_missing(voc):
    (voc / "VOCdevkit/VOC2012/ImageSets/Segmentation/aug.txt").unlink()
    with pytest.raises(DataError, match=r"'train_aug'.*acseg data check voc"):
        open_dataset("voc", voc, "train_aug")


def test_check_counts_and_names_what_is_lost(voc):
    (voc / "VOCdevkit/VOC2012/JPEGImages/2007_2.jpg").unlink()
    found = check_dataset("voc", voc)
    rows = {row.split: row for row in found.rows}
    assert (rows["val"].expected, rows["val"].listed) == (1449, 1)
    assert (rows["val"].images, rows["val"].masks) == (0, 1)
    assert not found.complete
    assert "2007_2.jpg" in found.table()
    assert "University of Oxford" in found.table()
    assert found.to_dict()["rows"][0]["lost"] == rows["val"].lost


def test_scoring_in_use_are_both_offered(voc):
    assert open_dataset("voc", voc).crops == ("full", "stretch-320")
