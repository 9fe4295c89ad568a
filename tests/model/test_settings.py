import json
import math

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from acseg.errors import ModelError
from acseg.model.settings import (
    DESCRIPTORS,
    FOREGROUNDS,
    WHOLE,
    Settings,
    settings_from_json,
    settings_to_json,
)


@hypothesis_settings(deadline=None, max_examples=50)
@given(
    concepts=st.integers(1, 254),
    steps=st.integers(1, 10**6),
    rate=st.floats(0, 1),
    classes=st.one_of(st.just("auto"), st.integers(2, 254)),
    foreground=st.sampled_from(FOREGROUNDS),
    descriptor=st.sampled_from(DESCRIPTORS),
    block=st.one_of(
        st.none(),
        st.integers(-12, 12),
        st.lists(st.integers(-12, 12), min_size=1, max_size=3).map(tuple),
    ),
    backbone=st.text(min_size=1),
)
def test_settings_come_back_from_json_as_they_were(
    concepts: int,
    steps: int,
    rate: float,
    classes: int | str,
    foreground: str,
    descriptor: str,
    block: int | None,
    backbone: str,
) -> None:
    settings = Settings(
        concepts=concepts,
        steps=steps,
        learning_rate=rate,
        classes=classes,
        foreground=foreground,
        descriptor=descriptor,
        block=block,
        backbone=backbone,
    )
    text = json.dumps(settings_to_json(settings))
    assert settings_from_json(json.loads(text), "config.json") == settings


def test_the_defaults_are_those_of_the_paper_where_it_has_them() -> None:
    settings = Settings()
    assert (settings.concepts, settings.foreground, settings.described_by) == (5, "sum", "crop")
    assert settings.classes == "auto"
    assert settings.background


@pytest.mark.parametrize("name", list(WHOLE))
@pytest.mark.parametrize("value", [1.5, "3", True, 10**10, -(10**10)])
def test_a_count_that_is_no_whole_number_in_range_is_named(name: str, value: object) -> None:
    with pytest.raises(ModelError, match=f"^{name} must be a whole number"):
        Settings(**{name: value})


@pytest.mark.parametrize(
    "name", ["learning_rate", "weight_decay", "cache_gigabytes", "merge", "ground"]
)
@pytest.mark.parametrize("value", [-1e-9, math.nan, math.inf, "0.1", False])
def test_a_rate_that_is_no_number_from_0_is_named(name: str, value: object) -> None:
    with pytest.raises(ModelError, match=f"^{name} must be a number"):
        Settings(**{name: value})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"steps": 0}, "steps"),
        ({"seed": -1}, "seed"),
        ({"concepts": 255}, "concepts"),
        ({"side": 0}, "side"),
        ({"warmup": -1}, "warmup"),
        ({"foreground": "max"}, "foreground must be sum, mean or none"),
        ({"descriptor": "cls"}, "descriptor must be one of crop,"),
        ({"classes": 1}, "'auto' or 2 to 254"),
        ({"classes": 0, "foreground": "none"}, "'auto' or 1 to 254"),
        ({"classes": 255}, "2 to 254"),
        ({"classes": True, "foreground": "none"}, "classes"),
        ({"classes": "many"}, "'many'"),
        ({"backbone": ""}, "backbone"),
        ({"learning_rate": None}, "learning_rate"),
        ({"backbone": None}, "backbone"),
        ({"self_affinity": "no"}, "self_affinity"),
        ({"block": 1.5}, "block must be a whole number, or several"),
        ({"block": True}, "block"),
        ({"block": []}, "block"),
        ({"block": [9, "10"]}, "block"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        Settings(**wrong)


def test_one_class_is_enough_where_there_is_no_background() -> None:
    settings = Settings(classes=1, foreground="none")
    assert not settings.background


def test_a_setting_from_a_newer_version_is_named_with_the_file() -> None:
    with pytest.raises(ModelError, match=r"run/config\.json: no setting 'colour'; a newer acseg"):
        settings_from_json({"colour": 1}, "run/config.json")


@pytest.mark.parametrize("values", [None, [], "x", 3])
def test_settings_that_are_no_table_are_refused(values: object) -> None:
    with pytest.raises(ModelError, match=r"c\.json: expected a table of settings"):
        settings_from_json(values, "c.json")


def test_a_wrong_value_in_a_file_is_named_with_the_file() -> None:
    with pytest.raises(ModelError, match=r"c\.json: steps must be a whole number"):
        settings_from_json({"steps": "many"}, "c.json")
