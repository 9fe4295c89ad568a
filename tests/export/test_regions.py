import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.measure import label as parts_of

from acseg.export.brush import encode_brush, pack_brush
from acseg.export.masks import encode_rle, mask_polygons
from acseg.export.regions import find_regions
from acseg.export.source import different_names
from acseg.output.palette import colour_table, palette

LABELS = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=10),
    elements=st.sampled_from([0, 1, 2, 9, 254, 255]),
)


@settings(max_examples=60, deadline=None)
@given(LABELS)
def test_a_region_a_class(labels: np.ndarray) -> None:
    found = find_regions(labels)
    present = sorted(set(labels.ravel().tolist()) - {255})
    assert [region.label for region in found.regions] == present
    assert [region.number for region in found.regions] == list(range(1, len(present) + 1))
    for region in found.regions:
        assert np.array_equal(found.numbers == region.number, labels == region.label)
    assert np.array_equal(found.numbers == 0, labels == 255)


@settings(max_examples=60, deadline=None)
@given(LABELS)
def test_components_are_those_of_scikit_image(labels: np.ndarray) -> None:
    found = find_regions(labels, "components")
    wanted = parts_of(labels.astype(int) + 1, background=256, connectivity=2)
    pairs = set(zip(found.numbers.ravel().tolist(), wanted.ravel().tolist(), strict=True))
    assert len({n for n, _ in pairs}) == len({w for _, w in pairs}) == len(pairs)
    for region in found.regions:
        mask = found.numbers == region.number
        rows, columns = np.nonzero(mask)
        assert set(labels[mask].tolist()) == {region.label}
        assert region.area == mask.sum()
        size = np.ptp(columns) + 1, np.ptp(rows) + 1
        assert region.box == (columns.min(), rows.min(), *size)
    assert [r.label for r in found.regions] == sorted(r.label for r in found.regions)


@settings(max_examples=60, deadline=None)
@given(LABELS, st.sampled_from(["classes", "components"]))
def test_all_at_once_is_one_by_one(labels: np.ndarray, instances: str) -> None:
    pytest.importorskip("pycocotools")
    found = find_regions(labels, instances)  # type: ignore[arg-type]
    runs = found.run_lengths()
    rows = dict(found.runs("C"))
    for region in found.regions:
        mask = found.numbers == region.number
        assert runs[region.number] == encode_rle(mask)
        assert pack_brush(rows[region.number]) == encode_brush(mask)
        assert found.polygons(region) == mask_polygons(mask)


def test_a_view_of_labels_is_taken_too() -> None:
    labels = (np.arange(48, dtype=np.uint8).reshape(6, 8) % 3)[::2, ::-1]
    assert not labels.flags["C_CONTIGUOUS"]
    plain = find_regions(np.ascontiguousarray(labels), "components")
    view = find_regions(labels, "components")
    assert view.regions == plain.regions
    assert np.array_equal(view.numbers, plain.numbers)


def test_names_that_meet_get_their_id() -> None:
    given_names = {0: "road", 1: None, 2: "road", 3: " ", 4: "class-1", 5: "road-2", 6: "a\nb"}
    names = different_names(given_names, "class")
    assert len(set(names)) == 255
    assert names[3] == "class-3"
    assert names[6] == "a%0Ab"
    assert names[0] == "road-0"
    assert names[7] == "class-7"
    assert "road-2" in names[2]


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.integers(0, 254), st.integers(0, 254), max_size=40))
def test_a_colour_given_is_used_for_no_other_label(borrowed: dict[int, int]) -> None:
    usual = [tuple(row) for row in palette(255).tolist()]
    wished = {label: usual[other] for label, other in borrowed.items()}
    colours = [tuple(row) for row in colour_table(wished).tolist()]
    others = [colour for label, colour in enumerate(colours) if label not in wished]
    assert {label: colours[label] for label in wished} == wished
    assert len(set(others)) == len(others)
    assert set(others).isdisjoint(wished.values())


def test_without_colours_given_they_are_those_of_the_palette() -> None:
    assert np.array_equal(colour_table({}), palette(255))
    taken = {tuple(row) for row in palette(255).tolist()}
    assert len(taken) == 255
    assert taken.isdisjoint({(0, 0, 0), (224, 224, 192)})  # void, and VOC's void
