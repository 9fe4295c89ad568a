import re

import numpy as np
import pytest

from acseg.errors import DataError
from research.datasets import check_dataset, open_dataset
from research.datasets.coco_stuff27 import COARSE, NAMES

# Official COCO-Stuff names by their id in the files (COCO id less one), looked up by hand.
BY_HAND = {
    0: "person",
    5: "vehicle",  # bus
    12: "outdoor",  # stop sign, COCO id 13
    17: "animal",  # dog, 18
    27: "accessory",  # umbrella, 28
    34: "sports",  # skis, 35
    48: "kitchen",  # knife, 49
    58: "food",  # pizza, 59
    61: "furniture",  # chair, 62
    72: "electronic",  # laptop, 73
    78: "appliance",  # oven, 79
    83: "indoor",  # book, 84
    95: "building",  # building-other, 96
    101: "ceiling",  # ceiling-other, 102
    105: "sky",  # clouds, 106
    112: "structural",  # fence, 113
    117: "floor",  # floor-wood, 118
    120: "food-stuff",  # food-other, 121
    123: "plant",  # grass, 124
    138: "raw-material",  # paper, 139
    148: "ground",  # road, 149
    151: "textile",  # rug, 152
    154: "water",  # sea, 155
    156: "sky",  # sky-other, 157
    164: "furniture-stuff",  # table, 165
    168: "plant",  # tree, 169
    170: "wall",  # wall-brick, 171
    180: "window",  # window-other, 181
    181: "solid",  # wood, 182
}


def test_mapping_is_whole_and_as_looked_up_by_hand():
    assert sorted(COARSE) == list(range(182))
    assert sorted(set(COARSE.values())) == list(range(27))
    assert {fine: NAMES[COARSE[fine]] for fine in BY_HAND} == BY_HAND


def test_mapping_is_the_one_of_the_protocols(shared):
    text = (shared / "docs" / "protocols.md").read_text(encoding="utf-8")
    block = text.split("COCO-Stuff fine -> coarse:")[1].split("names 0..26")[0]
    written = {}
    for part in re.split(r"[|\n]", block):
        if ":" not in part:
            continue
        fine, coarse = part.strip().rsplit(":", 1)
        for item in fine.split(","):
            ends = [int(end) for end in item.split("-")]
            written.update(dict.fromkeys(range(ends[0], ends[-1] + 1), int(coarse)))
    assert written == COARSE


@pytest.fixture
def coco(put, tmp_path):
    mask = np.zeros((12, 16), np.uint8)
    mask[:, 4:8], mask[:, 8:12], mask[:, 12:] = 156, 181, 255
    for name in ("000000000139", "000000000285"):
        put(f"cocostuff/images/val2017/{name}.jpg")
        put(f"cocostuff/annotations/val2017/{name}.png", mask)
    put("cocostuff/annotations/val2017/000000000139_labelTrainIds.png", mask)
    curated = tmp_path / "cocostuff" / "curated" / "val2017"
    curated.mkdir(parents=True)
    (curated / "Coco164kFull_Stuff_Coarse_7.txt").write_text("000000000285\n")
    return tmp_path


def test_curated_list_is_read(coco):
    data = open_dataset("coco-stuff-27", coco)
    assert [sample.name for sample in data] == ["000000000285"]
    assert np.unique(data[0].mask()).tolist() == [9, 23, 24, 255]
    assert data.void == 255
    assert data.crop == "centre-320"
    image, mask = data.crop_rule(data[0].image(), data[0].mask())
    assert image.shape == (320, 320, 3)
    assert mask.shape == (320, 320)


def test_all_of_val_leaves_converted_masks_out(coco):
    names = [sample.name for sample in open_dataset("coco-stuff-27", coco, "val-all")]
    assert names == ["000000000139", "000000000285"]


def test_other_layout_of_pictures_and_masks(put, tmp_path):
    put("val2017/000000000139.jpg")
    put("stuffthingmaps/val2017/000000000139.png", np.zeros((12, 16)))
    data = open_dataset("coco-stuff-27", tmp_path, "val-all")
    assert data[0].image().shape == (12, 16, 3)
    assert data[0].mask().tolist() == [[9] * 16] * 12


def test_without_the_list_the_curated_split_is_missing(coco):
    with pytest.raises(DataError, match="no picture for the split 'train'"):
        open_dataset("coco-stuff-27", coco, "train")
    table = check_dataset("coco-stuff-27", coco).table()
    assert "official 49629" in table
    assert "COCOStuff164kCurated" in table
