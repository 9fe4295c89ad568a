"""acseg classes, as a user types it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from acseg.model.folder import read_model_folder
from acseg.output.label_png import read_labels
from acseg.output.records import read_classes, read_records
from acseg.text.suggest import read_suggestions, write_suggestions

LIST = "red,green,blue,yellow,grey"


@pytest.fixture
def suggest(made: Any, colour_clip: Path, acseg: Any) -> Callable[..., tuple[int, str, str]]:
    """Name the made model by the colours of its OUT."""

    def run(labels: str | Path, *arguments: str | Path) -> tuple[int, str, str]:
        clip = ("--text-model", colour_clip, "--device", "cpu")
        return acseg("classes", "suggest", made.run, labels, "-o", made.out, *clip, *arguments)

    return run


def test_the_classes_are_listed(made: Any, acseg: Any) -> None:
    config = (made.run / "config.json").read_bytes()
    status, out, err = acseg("classes", "list", made.run)
    assert (status, err) == (0, "")
    assert [line.split() for line in out.splitlines()] == [
        ["class", "name", "suggested", "runner-up"],
        ["0"],
        ["1"],
        ["2"],
        ["3"],
    ]
    assert (made.run / "config.json").read_bytes() == config
    assert not (made.run / "names.json").exists()
    acseg("classes", "name", made.run, "1=Straße")
    told = json.loads(acseg("classes", "list", made.run, "--json")[1])
    assert (told["model"], told["failed"]) == (str(made.run), [])
    assert [(row["id"], row["name"]) for row in told["classes"]] == [
        *((0, None), (1, "Straße"), (2, None), (3, None))
    ]


def test_classes_are_named_by_what_they_look_like(made: Any, suggest: Any) -> None:
    status, out, _ = suggest(LIST)
    assert status == 0
    assert read_model_folder(made.run).names == dict(enumerate(made.names))
    assert [c.name for c in read_classes(made.out / "classes.json")] == list(made.names)
    rows = [line.split() for line in out.splitlines()[1:5]]
    assert [row[:3] for row in rows] == [[str(c), n, n] for c, n in enumerate(made.names)]
    assert all(0.4 <= float(row[3]) <= 1 and row[4] in LIST and float(row[5]) < 0.5 for row in rows)


def test_a_file_of_labels_and_a_threshold(
    made: Any, suggest: Any, acseg: Any, tmp_path: Path
) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("red\ngreen\nblue\n")
    rows = json.loads(suggest(labels, "--json")[1])["classes"]
    sure = sorted(row["confidence"] for row in rows)
    status, out, _ = suggest(labels, "--threshold", str((sure[1] + sure[2]) / 2))
    assert status == 0
    taken = {row["id"]: row["best"] for row in rows if row["confidence"] >= sure[2]}
    assert read_model_folder(made.run).names == taken
    assert len(taken) == 2
    for row, line in zip(rows, out.splitlines()[1:5], strict=True):
        assert line.endswith("not taken") == (row["id"] not in taken)
    suggestions, model = read_suggestions(made.run)
    assert [one.id for one in suggestions] == [0, 1, 2, 3]
    assert model.endswith("clip")
    assert acseg("classes", "list", made.run)[1] == out


def test_names_by_hand_stay_when_names_are_suggested(made: Any, suggest: Any, acseg: Any) -> None:
    acseg("classes", "name", made.run, "2=the sea", "0=blue")
    acseg("classes", "name", made.run, "0=")
    suggest(LIST)
    assert read_model_folder(made.run).names == {0: "red", 1: "green", 2: "the sea", 3: "yellow"}
    acseg("classes", "name", made.run, "1=lawn")
    suggest("red,green,grey")
    names = read_model_folder(made.run).names
    assert (names[0], names[1], names[2]) == ("red", "lawn", "the sea")


def test_names_reach_the_output(made: Any, acseg: Any) -> None:
    maps = {p.name: p.read_bytes() for p in (made.out / "labels").iterdir()}
    status, out, err = acseg("classes", "name", made.run, "1=lawn", "3= the  sun", "-o", made.out)
    assert (status, err) == (0, "")
    assert [line.split()[1:] for line in out.splitlines()[1:]] == [[], ["lawn"], [], ["the", "sun"]]
    assert read_model_folder(made.run).names == {1: "lawn", 3: "the sun"}
    names = [c.name for c in read_classes(made.out / "classes.json")]
    assert names == [None, "lawn", None, "the sun"]
    first = read_records(made.out / "segments.jsonl")[0]
    assert [(s.id, s.name) for s in first.segments] == [(0, None), (1, "lawn")]
    assert "the sun" in (made.out / "index.html").read_text()
    assert {p.name: p.read_bytes() for p in (made.out / "labels").iterdir()} == maps


def test_merge_drop_and_split(made: Any, acseg: Any) -> None:
    centres = (made.run / "classes.safetensors").read_bytes()
    before = {n: read_labels(made.out / "labels" / f"{n}.png") for n in range(3)}
    assert acseg("classes", "name", made.run, "0=plant")[0] == 0
    status, out, err = acseg("classes", "merge", made.run, 0, 1, "-o", made.out)
    assert (status, err) == (0, "")
    assert out.splitlines()[2].endswith("drawn as 0")
    assert [c.id for c in read_classes(made.out / "classes.json")] == [0, 2, 3]
    status, out, err = acseg("classes", "drop", made.run, 3, "-o", made.out)
    assert (status, err) == (0, "")
    assert out.splitlines()[4].endswith("dropped")
    assert [c.id for c in read_classes(made.out / "classes.json")] == [0, 2]
    for n, labels in before.items():
        wanted = labels.copy()
        wanted[labels == 1], wanted[labels == 3] = 0, 255
        assert (read_labels(made.out / "labels" / f"{n}.png") == wanted).all()
    found = read_model_folder(made.run)
    assert (found.names, found.becomes) == ({0: "plant"}, {1: 0, 3: 255})
    assert (made.run / "classes.safetensors").read_bytes() == centres
    config = json.loads((made.run / "config.json").read_text())
    assert config["notes"] == {"pictures": 3}
    assert acseg("classes", "split", made.run, 1, 3)[0] == 0
    assert acseg("classes", "merge", made.run, 2, 1)[0] == 0
    assert read_model_folder(made.run).becomes == {1: 2}


def test_what_was_merged_and_dropped_is_what_predict_draws(
    tiny_run: Path, photos: Any, acseg: Any, tmp_path: Path
) -> None:
    model, folder = tmp_path / "model", photos(tmp_path / "p", [f"{n}.png" for n in range(6)])
    shutil.copytree(tiny_run, model)
    predict = ("predict", model, folder, "--device", "cpu", "-o")
    assert acseg(*predict, tmp_path / "out")[0] == 0
    for edit in (("merge", model, 0, 2), ("drop", model, 1), ("name", model, "0=all")):
        assert acseg("classes", *edit, "-o", tmp_path / "out")[0] == 0
    assert acseg(*predict, tmp_path / "anew")[0] == 0

    def maps(out: Path) -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in (out / "labels").iterdir()}

    assert maps(tmp_path / "out") == maps(tmp_path / "anew")
    status, out, _ = acseg(*predict, tmp_path / "out")
    assert status == 0
    assert out.startswith("6 pictures, 1 classes; 6 were done before")
    assert acseg("classes", "split", model, 1, "-o", tmp_path / "out")[0] == 0
    status, out, _ = acseg(*predict, tmp_path / "out")
    assert out.startswith("6 pictures, 2 classes; 6 were done before")
    assert acseg(*predict, tmp_path / "anew")[0] == 0  # draws again what was dropped
    assert maps(tmp_path / "out") == maps(tmp_path / "anew")


def test_merged_classes_are_named_as_one(made: Any, suggest: Any, acseg: Any) -> None:
    acseg("classes", "merge", made.run, 1, 2, 3)
    suggest(LIST, "--threshold", "0")
    assert set(read_model_folder(made.run).names) == {0, 1}
    assert {one.id for one in read_suggestions(made.run)[0]} == {0, 1}


def test_what_is_lost_is_named_with_status_1(made: Any, suggest: Any) -> None:
    (made.out / "../photos/0.png").unlink()
    status, _, err = suggest(LIST)
    assert status == 1
    assert err.startswith("failed: 0.png: ")
    assert read_model_folder(made.run).names == {1: "green", 2: "blue", 3: "yellow"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("suggest", LIST), "Missing option '-o' / '--out'"),
        (("suggest", LIST, "-o", "x", "--threshold", "2"), "threshold"),
        (("name", "road"), "such as 3=road"),
        (("name", "a=road"), "such as 3=road, not 'a=road'"),
        (("name", "9=road"), "no class 9; the classes are 0 to 3"),
        (("name", "0=road", "9=road"), "no class 9"),
        (("merge", "4"), "two class ids or more"),
        (("merge", "1", "1"), "with itself"),
        (("merge", "1", "9"), "no class 9"),
        (("drop", "x"), "Invalid value for 'ID...'"),
        (("drop",), "Missing argument"),
        (("split", "1"), "neither merged nor dropped"),
        (("again",), "keeps no regions"),
        (("again", "--classes", "x"), "auto or a whole number"),
        (("again", "--classes", "999"), "n_classes must be"),
        (("again", "--foreground", "x"), "foreground must be"),
        (("again", "--granularity", "2"), "granularity"),
        (("list",), ""),
    ],
)
def test_wrong_usage_changes_nothing(
    made: Any, acseg: Any, arguments: tuple[str, ...], words: str
) -> None:
    before = (made.run / "config.json").read_bytes()
    verb, *others = arguments
    status, _, err = acseg("classes", verb, made.run, *others)
    assert status == (0 if verb == "list" else 2)
    assert words in " ".join(err.replace("│", " ").split())
    assert (made.run / "config.json").read_bytes() == before


@pytest.mark.parametrize("verb", ["list", "name", "drop", "again"])
def test_what_is_no_model_is_said(acseg: Any, tmp_path: Path, verb: str) -> None:
    given = {"name": ["0=x"], "drop": [0]}.get(verb, [])
    status, _, err = acseg("classes", verb, tmp_path, *given)
    assert status == 2
    assert err.startswith(f"acseg: {tmp_path} is no model folder")
    assert not list(tmp_path.iterdir())


def test_an_output_of_another_model_is_refused_before_anything_is_written(
    made: Any, acseg: Any
) -> None:
    (made.out / "classes.json").unlink()
    for edit in (("name", made.run, "0=x"), ("drop", made.run, 0)):
        status, _, err = acseg("classes", *edit, "-o", made.out)
        assert status == 2
        assert "classes.json" in err
    found = read_model_folder(made.run)
    assert (found.names, found.becomes) == ({}, {})


def test_names_reach_the_next_predict(
    tiny_run: Path, photos: Any, colour_clip: Path, acseg: Any, tmp_path: Path
) -> None:
    model, folder = tmp_path / "model", photos(tmp_path / "p", [f"{n}.png" for n in range(6)])
    shutil.copytree(tiny_run, model)
    assert acseg("predict", model, folder, "-o", tmp_path / "out", "--device", "cpu")[0] == 0
    clip = ("--text-model", colour_clip, "--device", "cpu", "--threshold", "0")
    status, _, err = acseg("classes", "suggest", model, LIST, "-o", tmp_path / "out", *clip)
    assert status == 0, err
    names = read_model_folder(model).names
    assert set(names) <= {1, 2}
    assert names
    assert set(names.values()) <= set(LIST.split(","))
    assert acseg("predict", model, folder, "-o", tmp_path / "anew", "--device", "cpu")[0] == 0
    for out in (tmp_path / "out", tmp_path / "anew"):
        records = read_records(out / "segments.jsonl")
        assert {(s.id, s.name) for r in records for s in r.segments if s.id} == set(names.items())


@pytest.fixture
def model(tiny_run: Path, tmp_path: Path) -> Path:
    """A copy of a model with its regions."""
    return Path(shutil.copytree(tiny_run, tmp_path / "model"))


def test_other_classes_are_found_in_place_and_names_forgotten(
    model: Path, photos: Any, acseg: Any, tmp_path: Path
) -> None:
    acseg("classes", "name", model, "1=thing")
    acseg("classes", "merge", model, 1, 2)
    write_suggestions(model, [], "some/clip")
    generator = (model / "generator.safetensors").read_bytes()
    notes = json.loads((model / "config.json").read_text())["notes"]
    status, out, err = acseg("classes", "again", model, "--classes", 5)
    assert (status, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["class", *"01234"]
    found = read_model_folder(model)
    assert found.centres is not None
    assert len(found.centres) == 4
    assert (found.names, found.becomes, found.foreground) == ({}, {}, "mean")
    assert found.settings.classifying.n_classes == 5
    assert not (model / "names.json").exists()
    assert (model / "generator.safetensors").read_bytes() == generator
    assert json.loads((model / "config.json").read_text())["notes"] == notes
    folder = photos(tmp_path / "p", [f"{n}.png" for n in range(6)])
    status, out, _ = acseg("predict", model, folder, "-o", tmp_path / "out", "--device", "cpu")
    assert (status, out.splitlines()[0]) == (0, "6 pictures, 5 classes")


def test_a_model_with_other_classes_is_still_a_finished_one(
    model: Path, photos: Any, acseg: Any, tmp_path: Path
) -> None:
    assert acseg("classes", "again", model)[0] == 0
    assert not (model / "state").exists()
    folder = photos(tmp_path / "p", ["a.png"])
    status, _, err = acseg("fit", folder, "-o", model, "--device", "cpu")
    assert status == 2
    assert "is a finished model" in " ".join(err.split())


def test_the_choice_of_their_number_is_told_anew(model: Path, acseg: Any) -> None:
    acseg("classes", "again", model, "--classes", "auto", "--granularity", 1)
    assert json.loads((model / "classes.json").read_text())["curve"]
    acseg("classes", "again", model, "--classes", 3)
    assert json.loads((model / "classes.json").read_text())["curve"] == []


def test_as_many_classes_again_are_those_of_the_fit(
    model: Path, tiny_run: Path, acseg: Any
) -> None:
    first = read_model_folder(tiny_run)
    told = json.loads(acseg("classes", "again", model, "--classes", 3, "--json")[1])
    assert [row["id"] for row in told["classes"]] == [0, 1, 2]
    again = read_model_folder(model)
    assert again.settings == first.settings
    assert again.centres is not None
    assert (again.centres == first.centres).all()


def test_without_a_background_and_at_another_granularity(model: Path, acseg: Any) -> None:
    given = ("--classes", 3, "--foreground", "none", "--granularity", 0.9)
    status, out, err = acseg("classes", "again", model, *given)
    assert (status, err) == (0, "")
    assert "background" not in out
    found = read_model_folder(model)
    assert found.foreground == "none"
    assert found.centres is not None
    assert len(found.centres) == 3
    assert found.settings.dividing.granularity == 0.9
    assert acseg("classes", "again", model, "--classes", 3)[0] == 0
    found = read_model_folder(model)  # what is not said stays
    assert found.settings.dividing.granularity == 0.9
    assert found.settings.classifying.foreground == "none"


def test_more_classes_than_there_are_regions_change_nothing(model: Path, acseg: Any) -> None:
    acseg("classes", "name", model, "1=thing")
    before = (model / "config.json").read_bytes()
    status, _, err = acseg("classes", "again", model, "--classes", 200)
    assert status == 2
    assert err.startswith("acseg: 199 classes need at least 199 different region descriptors")
    assert (model / "config.json").read_bytes() == before


def test_the_same_from_python(tiny_run: Path, tmp_path: Path) -> None:
    from acseg import ACSeg
    from acseg.errors import ModelError

    model = ACSeg.from_pretrained(tiny_run, device="cpu", precision="float32")
    assert model.name({1: "mine"}, drop=[2]) is model
    assert model.class_ids == [0, 1]
    model.save_pretrained(tmp_path / "model")
    again = ACSeg.from_pretrained(tmp_path / "model", device="cpu", precision="float32")
    assert (again.names_, again.becomes_) == ({1: "mine"}, {2: 255})
    with pytest.raises(ModelError, match="no classes"):
        ACSeg().name({1: "x"})
    assert ACSeg().class_ids == []
