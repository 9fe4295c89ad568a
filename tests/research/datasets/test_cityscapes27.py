import numpy as np
import pytest

from research.datasets import check_dataset, open_dataset

# labelId, name: looked up by hand in the label table of the Cityscapes project.
BY_HAND = {7: "road", 11: "building", 21: "vegetation", 23: "sky", 26: "car", 33: "bicycle"}


@pytest.fixture
def cityscapes(put, tmp_path):
    ids = np.array([[0, 6, 7, 11], [21, 23, 26, 33], [34, 255, 8, 32]], np.uint8)
    for city in ("bonn", "ulm"):
        stem = f"{city}_000000_000019"
        put(f"leftImg8bit/val/{city}/{stem}_leftImg8bit.png", size=(12, 16))
        put(f"gtFine/val/{city}/{stem}_gtFine_labelIds.png", ids.repeat(4, 0).repeat(4, 1))
    return tmp_path


def test_class_is_label_id_less_seven_and_the_rest_is_void(cityscapes):
    data = open_dataset("cityscapes-27", cityscapes)
    assert len(data.classes) == 27
    assert {i: data.classes[i - 7] for i in BY_HAND} == BY_HAND
    assert [sample.name for sample in data] == ["bonn_000000_000019", "ulm_000000_000019"]
    assert data[0].mask()[::4, ::4].tolist() == [
        [255, 255, 0, 4],
        [14, 16, 19, 26],
        [255, 255, 1, 25],
    ]


def test_full_width_is_offered_beside_the_usual_crop(cityscapes):
    sample = open_dataset("cityscapes-27", cityscapes)[0]
    usual = open_dataset("cityscapes-27", cityscapes)
    wide = open_dataset("cityscapes-27", cityscapes, crop="short-320")
    assert usual.crop_rule(sample.image(), sample.mask())[1].shape == (320, 320)
    assert wide.crop_rule(sample.image(), sample.mask())[1].shape == (320, 426)


def test_missing_mask_is_named(cityscapes):
    mask = cityscapes / "gtFine/val/ulm/ulm_000000_000019_gtFine_labelIds.png"
    mask.unlink()
    row = check_dataset("cityscapes-27", cityscapes).rows[0]
    assert (row.images, row.masks, row.lost) == (2, 1, [str(mask)])
