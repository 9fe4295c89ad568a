import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from acseg.model.settings import DESCRIPTORS, DIVISIONS, FOREGROUNDS, NAMES, Settings

WHOLE = ["stride", "side", "concepts", "steps", "batch_size", "warmup", "sample", "crop_side"]
WHOLE += ["n_init", "seed"]


@hypothesis_settings(deadline=None, max_examples=50)
@given(
    concepts=st.integers(1, 254),
    steps=st.integers(1, 10**6),
    learning_rate=st.floats(0, 1),
    n_classes=st.one_of(st.just("auto"), st.integers(2, 254)),
    foreground=st.sampled_from(FOREGROUNDS),
    descriptor=st.sampled_from(DESCRIPTORS),
    division=st.sampled_from(DIVISIONS),
    granularity=st.floats(0, 1),
    blocks=st.one_of(
        st.none(),
        st.integers(1, 12),
        st.lists(st.integers(-12, -1), min_size=1, max_size=3).map(tuple),
    ),
    backbone=st.text(min_size=1),
)
def test_settings_come_back_from_json_as_they_were(**values: Any) -> None:
    settings = Settings.of(values)
    text = json.dumps(settings.to_json())
    assert Settings.from_json(json.loads(text), "config.json") == settings
    assert Settings.of(settings.flat()) == settings


def test_every_name_has_its_place_once() -> None:
    flat = Settings().flat()
    assert tuple(flat) == NAMES
    assert len(set(NAMES)) == len(NAMES)


def test_known_backbones_bring_what_they_were_measured_to_need() -> None:
    bundled = Settings.of({"backbone": "bundled"}).encoding
    assert (bundled.side, bundled.stride) == (160, 4)
    assert Settings.of({"backbone": "bundled"}).dividing.granularity == 0.25
    assert Settings.of({"backbone": "bundled", "granularity": 0.5}).dividing.granularity == 0.5
    assert Settings.of({}).flat()["granularity"] == 0.25  # bundled is the default here
    assert Settings.of({"backbone": "some/vit"}).dividing.granularity == 0.5
    dino = Settings.of({"backbone": "dinov2-small"}).encoding
    assert (dino.side, dino.blocks) == (336, (9, 12))
    own = Settings.of({"backbone": "bundled", "side": 64, "stride": 8}).encoding
    assert (own.side, own.stride) == (64, 8)
    assert Settings.of({"backbone": "some/vit"}).encoding.side == 336


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("value", [1.5, "3", True, 10**10, -(10**10)])
def test_a_count_that_is_no_whole_number_in_range_is_named(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be a whole number"):
        Settings.of({name: value})


@pytest.mark.parametrize("name", ["learning_rate", "weight_decay", "cache_gigabytes"])
@pytest.mark.parametrize("value", [-1e-9, math.nan, math.inf, "0.1", False, None])
def test_a_rate_that_is_no_number_from_0_is_named(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be a number"):
        Settings.of({name: value})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"steps": 0}, "steps"),
        ({"seed": -1}, "seed"),
        ({"concepts": 255}, "concepts"),
        ({"side": 0}, "side"),
        ({"granularity": 1.1}, "granularity must be 0 to 1"),
        ({"granularity": math.nan}, "granularity"),
        ({"division": "both"}, "division must be exact, generator, not 'both'"),
        ({"objective": "ncut"}, "objective must be potts, modularity"),
        ({"foreground": "max"}, "foreground must be auto, sum, mean, none"),
        ({"descriptor": "cls"}, "descriptor must be mean-token, crop"),
        ({"n_classes": 1, "foreground": "mean"}, "'auto' or 2 to 254"),
        ({"n_classes": 0, "foreground": "none"}, "'auto' or 1 to 254"),
        ({"n_classes": 255}, "to 254"),
        ({"n_classes": True, "foreground": "none"}, "n_classes"),
        ({"n_classes": "many"}, "'many'"),
        ({"backbone": ""}, "backbone"),
        ({"backbone": None}, "backbone"),
        ({"self_affinity": "no"}, "self_affinity"),
        ({"edges": 1}, "edges must be true or false"),
        ({"blocks": 0}, "blocks must be whole numbers other than 0"),
        ({"blocks": True}, "blocks"),
        ({"blocks": []}, "blocks"),
        ({"blocks": [9, "10"]}, "blocks"),
        ({"tile": "large"}, "tile must be 'auto' or a side"),
        ({"bands": []}, "band"),
        ({"colour": 1}, "no setting 'colour'; there are backbone, "),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Settings.of(wrong)


@pytest.mark.parametrize("values", [None, [], "x", 3, {}, {"encoding": 3}])
def test_settings_that_are_no_table_are_refused(values: object) -> None:
    with pytest.raises(ValueError, match=r"c\.json: "):
        Settings.from_json(values, "c.json")


def test_a_wrong_or_unknown_value_in_a_file_is_named_with_the_file() -> None:
    table = Settings().to_json()
    table["training"]["steps"] = "many"
    with pytest.raises(ValueError, match=r"c\.json: steps must be a whole number"):
        Settings.from_json(table, "c.json")
    table = Settings().to_json()
    table["training"]["colour"] = 1
    with pytest.raises(ValueError, match=r"c\.json: .*'colour'"):
        Settings.from_json(table, "c.json")
