import json

import numpy as np
import pytest

from acseg.errors import DataError, ImageError
from research.datasets import check_dataset, open_dataset

MASK = np.array([[0, 3, 255, 1]] * 4).repeat(3, 0).repeat(4, 1)


@pytest.fixture
def folder(put, tmp_path):
    for name in ("a", "deep/b"):
        put(f"images/{name}.jpg")
        put(f"masks/{name}.png", MASK)
    put("images/unlabelled.jpg")
    return tmp_path


def test_pictures_with_masks_are_found_and_classes_counted(folder):
    data = open_dataset("folder", folder)
    assert data.split == "all"
    assert [sample.name for sample in data] == ["a", "deep/b"]
    assert data.classes == ("0", "1", "2", "3")
    np.testing.assert_array_equal(data[1].mask(), MASK)
    assert check_dataset("folder", folder).complete


def test_names_and_splits_from_the_two_files(folder):
    (folder / "meta.json").write_text(json.dumps({"classes": ["soil", "crop", "weed", "sky"]}))
    (folder / "splits.json").write_text(json.dumps({"val": ["deep/b"], "train": ["a", "gone"]}))
    data = open_dataset("folder", folder)
    assert data.split == "val"
    assert [sample.name for sample in data] == ["deep/b"]
    assert data.classes[2] == "weed"
    (row,) = (row for row in check_dataset("folder", folder).rows if row.split == "train")
    assert (row.listed, row.images) == (2, 1)
    assert [path.rsplit("/", 1)[1] for path in row.lost] == ["gone.jpg", "gone.png"]


def test_splits_may_stand_in_meta_json(folder):
    (folder / "meta.json").write_text(json.dumps({"splits": {"val": ["a"], "test": ["deep/b"]}}))
    assert [sample.name for sample in open_dataset("folder", folder, "test")] == ["deep/b"]
    (folder / "splits.json").write_text(json.dumps({"val": ["deep/b"]}))
    assert [sample.name for sample in open_dataset("folder", folder)] == ["deep/b"]
    (folder / "meta.json").write_text(json.dumps({"splits": "see the site"}))
    assert set(check.split for check in check_dataset("folder", folder).rows) >= {"val", "all"}


def test_the_two_halves_share_their_classes_and_no_picture(folder, put):
    for name, label in (("c", 5), ("d", 0), ("e", 1)):
        put(f"images/{name}.jpg")
        put(f"masks/{name}.png", np.full_like(MASK, label))
    odd, even = (open_dataset("folder", folder, half) for half in ("odd", "even"))
    assert [sample.name for sample in odd] == ["a", "d", "e"]
    assert [sample.name for sample in even] == ["c", "deep/b"]
    assert odd.classes == even.classes == ("0", "1", "2", "3", "4", "5")


def test_some_pictures_are_evenly_spread(folder, put):
    for name in "cdefg":
        put(f"images/{name}.jpg")
        put(f"masks/{name}.png", MASK)
    data = open_dataset("folder", folder)
    assert data.places() == data.places(7) == data.places(100) == list(range(7))
    assert data.places(3) == [0, 3, 6]
    assert data.places(1) == [0]


def test_a_split_of_the_file_stands_for_one_of_the_same_name(folder):
    (folder / "splits.json").write_text(json.dumps({"odd": ["deep/b"]}))
    assert [sample.name for sample in open_dataset("folder", folder, "odd")] == ["deep/b"]
    assert [sample.name for sample in open_dataset("folder", folder, "even")] == ["deep/b"]


def test_a_broken_mask_does_not_stop_the_others(folder):
    (folder / "masks" / "a.png").write_bytes(b"x")
    data = open_dataset("folder", folder)
    assert len(data.classes) == 4
    assert data[1].mask().shape == (12, 16)
    with pytest.raises(ImageError, match=r"a\.png"):
        data[0].mask()


@pytest.mark.parametrize(("text", "words"), [("{", "not valid JSON"), ("[]", "holds a list")])
def test_broken_description_is_named(folder, text, words):
    (folder / "splits.json").write_text(text)
    with pytest.raises(DataError, match=rf"splits\.json: {words}"):
        open_dataset("folder", folder)


def test_sizes_that_differ_are_named(put, folder):
    put("masks/a.png", MASK[:6])
    data = open_dataset("folder", folder)
    with pytest.raises(ImageError, match="16 x 12, its mask 16 x 6"):
        data.crop_rule(data[0].image(), data[0].mask())


def test_every_real_set_can_be_opened(shared):
    for root in sorted((shared / "labelled").iterdir()):
        data = open_dataset("folder", root)
        meta = json.loads((root / "meta.json").read_text())
        assert list(data.classes) == meta["classes"]
        sample = data[0]
        assert sample.image().shape[:2] == sample.mask().shape
        assert sample.mask()[sample.mask() != 255].max() < len(data.classes)
