import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from acseg.classes.regions import find_regions, scale_boxes


def plain_regions(labels: np.ndarray) -> list[tuple[int, int, list[int], float]]:
    found = []
    for image, grid in enumerate(labels):
        for label in sorted(set(grid.flatten().tolist())):
            rows, columns = np.where(grid == label)
            box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            found.append((image, label, [int(x) for x in box], len(rows) / grid.size))
    return found


@settings(deadline=None, max_examples=60)
@given(
    images=st.integers(1, 4),
    height=st.integers(1, 7),
    width=st.integers(1, 7),
    most=st.integers(1, 9),
    seed=st.integers(0, 1000),
)
def test_table_is_that_of_a_plain_search(images, height, width, most, seed):
    labels = np.random.default_rng(seed).integers(0, most, (images, height, width))
    regions = find_regions(torch.from_numpy(labels))
    plain = plain_regions(labels)
    assert len(regions) == len(plain)
    assert regions.image.tolist() == [p[0] for p in plain]
    assert regions.label.tolist() == [p[1] for p in plain]
    assert regions.boxes.tolist() == [p[2] for p in plain]
    assert regions.share.tolist() == pytest.approx([p[3] for p in plain])
    assert torch.equal(regions.label[regions.ids], torch.from_numpy(labels))
    assert torch.equal(
        regions.image[regions.ids], torch.arange(images)[:, None, None].expand_as(regions.ids)
    )


def test_one_image_without_batch_other_dtype_and_strides():
    labels = torch.tensor([[0, 7, 7], [0, 0, 3]], dtype=torch.uint8)
    regions = find_regions(labels)
    turned = find_regions(labels.T.contiguous().T)
    assert regions.label.tolist() == turned.label.tolist() == [0, 3, 7]
    assert torch.equal(regions.ids, turned.ids)
    assert regions.ids.dtype == torch.long
    assert regions.share.dtype == torch.float32


@pytest.mark.parametrize(
    "labels",
    [
        torch.zeros(4, dtype=torch.long),
        torch.zeros(1, 0, 3, dtype=torch.long),
        torch.full((1, 2, 2), -1),
        torch.zeros(1, 2, 2),
    ],
)
def test_labels_that_are_no_labels_are_refused(labels):
    with pytest.raises(ValueError, match="expected labels"):
        find_regions(labels)


def test_boxes_scale_to_the_picture():
    boxes = torch.tensor([[0, 0, 4, 2], [1, 1, 2, 2]])
    scaled = scale_boxes(boxes, (2, 4), (32, 96))
    assert scaled.tolist() == [[0, 0, 96, 32], [24, 16, 48, 32]]


def test_margin_widens_each_side_and_stops_at_the_edge():
    boxes = torch.tensor([[4, 4, 6, 6], [0, 0, 2, 2]])
    scaled = scale_boxes(boxes, (10, 10), (100, 100), margin=0.25)
    assert scaled[0].tolist() == [35, 35, 65, 65]
    left, top, right, bottom = scaled[1].tolist()
    assert (left, top) == (0, 0)
    assert (right, bottom) == (30, 30)  # pushed inside, not cut: it keeps its size


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(2, 30),
    width=st.integers(2, 30),
    margin=st.floats(0, 1),
    aspect=st.floats(1, 5),
    seed=st.integers(0, 1000),
)
def test_widened_boxes_hold_the_box_and_stay_inside(height, width, margin, aspect, seed):
    rng = np.random.default_rng(seed)
    first = [int(rng.integers(0, width)), int(rng.integers(0, height))]
    last = [int(rng.integers(first[0] + 1, width + 1)), int(rng.integers(first[1] + 1, height + 1))]
    box = torch.tensor([first + last])
    size = (height * 8, width * 8)
    bare = scale_boxes(box, (height, width), size)[0]
    wide = scale_boxes(box, (height, width), size, margin=margin, aspect=aspect)[0]
    assert (wide[:2] <= bare[:2] + 1e-3).all()
    assert (wide[2:] >= bare[2:] - 1e-3).all()
    assert (wide[:2] >= 0).all()
    assert wide[2] <= size[1] + 1e-3
    assert wide[3] <= size[0] + 1e-3
    sides = (wide[2:] - wide[:2]).tolist()
    fills = sides[0] >= size[1] - 1e-3 or sides[1] >= size[0] - 1e-3
    assert fills or max(sides) <= min(sides) * aspect * (1 + 1e-4)


@pytest.mark.parametrize("settings", [{"margin": -0.1}, {"aspect": 0.5}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match="margin"):
        scale_boxes(torch.tensor([[0, 0, 1, 1]]), (2, 2), (8, 8), **settings)
