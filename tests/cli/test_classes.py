"""acseg name, as a user types it."""

import json
import shutil
from pathlib import Path

import pytest

from acseg.model.folder import read_model_folder
from acseg.output.records import read_classes, read_records
from acseg.text.suggest import read_suggestions

LIST = "red,green,blue,yellow,grey"


@pytest.fixture
def ask(made, colour_clip: Path, acseg):
    """Name the made RUN by the colours of its OUT."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        clip = ("--text-model", colour_clip, "--device", "cpu")
        return acseg("name", made.run, "--out", made.out, *clip, *arguments)

    return run


def test_without_options_the_classes_are_listed(made, acseg) -> None:
    config = (made.run / "config.json").read_bytes()
    status, out, err = acseg("name", made.run)
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


def test_classes_are_named_by_what_they_look_like(made, ask) -> None:
    status, out, _ = ask("--labels", LIST)
    assert status == 0
    assert read_model_folder(made.run).names == dict(enumerate(made.names))
    assert [c.name for c in read_classes(made.out / "classes.json")] == list(made.names)
    rows = [line.split() for line in out.splitlines()[1:5]]
    assert [row[:3] for row in rows] == [[str(c), n, n] for c, n in enumerate(made.names)]
    assert all(0.4 <= float(row[3]) <= 1 and row[4] in LIST and float(row[5]) < 0.5 for row in rows)
    assert "index.html" in out


def test_a_file_of_labels_and_a_threshold(made, ask, acseg, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("red\ngreen\nblue\n")
    labels = ("--labels", tmp_path / "labels.txt")
    rows = json.loads(ask(*labels, "--json")[1])["classes"]
    sure = sorted(row["confidence"] for row in rows)
    status, out, _ = ask(*labels, "--threshold", str((sure[1] + sure[2]) / 2))
    assert status == 0
    taken = {row["id"]: row["best"] for row in rows if row["confidence"] >= sure[2]}
    assert read_model_folder(made.run).names == taken
    assert len(taken) == 2
    for row, line in zip(rows, out.splitlines()[1:5], strict=True):
        assert line.endswith("not taken") == (row["id"] not in taken)
    suggestions, model = read_suggestions(made.run)
    assert [one.id for one in suggestions] == [0, 1, 2, 3]
    assert model.endswith("clip")
    listed = acseg("name", made.run)[1]
    assert listed.splitlines()[:5] == out.splitlines()[:5]


def test_names_by_hand_stay_when_labels_come(made, ask, acseg) -> None:
    acseg("name", made.run, "--set", "2=the sea", "--set", "0=blue", "--set", "0=")
    ask("--labels", LIST)
    assert read_model_folder(made.run).names == {0: "red", 1: "green", 2: "the sea", 3: "yellow"}
    ask("--labels", LIST, "--set", "1=lawn")
    ask("--labels", "red,green,grey")
    names = read_model_folder(made.run).names
    assert (names[0], names[1], names[2]) == ("red", "lawn", "the sea")


def test_merge_drop_and_split(made, acseg) -> None:
    kept = {
        f: (made.run / f).read_bytes() for f in ("generator.safetensors", "classes.safetensors")
    }
    given = ("--merge", "0,1", "--drop", "3", "--set", "0=plant")
    status, out, err = acseg("name", made.run, *given, "-o", made.out)
    assert (status, err) == (0, "")
    assert out.splitlines()[2].endswith("drawn as 0")
    assert out.splitlines()[4].endswith("dropped")
    run = read_model_folder(made.run)
    assert (run.names, run.becomes) == ({0: "plant"}, {1: 0, 3: 255})
    assert [c.id for c in read_classes(made.out / "classes.json")] == [0, 2]
    assert kept == {f: (made.run / f).read_bytes() for f in kept}
    config = json.loads((made.run / "config.json").read_text())
    assert config["notes"] == {"pictures": 3}
    assert acseg("name", made.run, "--split", "1,3", "--merge", "2,1")[0] == 0
    assert read_model_folder(made.run).becomes == {1: 2}
    assert acseg("name", made.run, "--reset")[0] == 0
    run = read_model_folder(made.run)
    assert (run.names, run.becomes) == ({}, {})


def test_merged_classes_are_named_as_one(made, ask, acseg) -> None:
    ask("--merge", "1,2,3", "--labels", LIST, "--threshold", "0")
    assert set(read_model_folder(made.run).names) == {0, 1}
    assert {one.id for one in read_suggestions(made.run)[0]} == {0, 1}


def test_two_classes_of_one_name_are_pointed_out(made, acseg) -> None:
    out = acseg("name", made.run, "--set", "1=sky", "--set", "3=sky")[1]
    assert "2 classes are called sky: --merge 1,3 makes them one" in out
    assert "predict has this from now on" in out
    assert "sky:" not in acseg("name", made.run, "--merge", "1,3")[1]


def test_what_is_lost_is_named_with_status_1(made, ask) -> None:
    (made.out / "../photos/0.png").unlink()
    status, _, err = ask("--labels", LIST)
    assert status == 1
    assert err.startswith("failed: 0.png: ")
    assert read_model_folder(made.run).names == {1: "green", 2: "blue", 3: "yellow"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--labels", LIST), "needs something to look at"),
        (("--pictures", "x"), "--pictures are for --labels"),
        (("--set", "road"), "such as 3=road"),
        (("--set", "a=road"), "--set takes class ids"),
        (("--set", "9=road"), "no class 9"),
        (("--merge", "4"), "two class ids or more"),
        (("--merge", "1,1"), "with itself"),
        (("--drop", "x"), "--drop takes class ids"),
        (("--split", "1"), "neither merged nor dropped"),
        (("--threshold", "2"), "threshold"),
    ],
)
def test_wrong_usage_changes_nothing(made, acseg, arguments, words: str) -> None:
    before = (made.run / "config.json").read_bytes()
    status, _, err = acseg("name", made.run, *arguments)
    assert status == 2
    assert words in " ".join(err.replace("│", " ").split())
    assert (made.run / "config.json").read_bytes() == before


def test_an_output_of_another_run_is_refused_before_anything_is_written(made, acseg) -> None:
    (made.out / "classes.json").unlink()
    status, _, err = acseg("name", made.run, "--set", "0=x", "-o", made.out)
    assert status == 2
    assert "classes.json" in err
    assert read_model_folder(made.run).names == {}


def test_pictures_are_predicted_and_the_names_reach_the_next_predict(
    tiny_run: Path, photos, colour_clip: Path, acseg, tmp_path: Path
) -> None:
    run, folder = tmp_path / "run", photos(tmp_path / "p", [f"{n}.png" for n in range(6)])
    shutil.copytree(tiny_run, run)
    clip = ("--text-model", colour_clip, "--device", "cpu", "--threshold", "0")
    status, _, err = acseg("name", run, "--labels", LIST, "--pictures", folder, *clip)
    assert status == 0, err
    names = read_model_folder(run).names
    assert set(names) == {1, 2}
    assert set(names.values()) <= set(LIST.split(","))
    assert acseg("predict", run, folder, "-o", tmp_path / "out", "--device", "cpu")[0] == 0
    records = read_records(tmp_path / "out" / "segments.jsonl")
    assert {(s.id, s.name) for r in records for s in r.segments if s.id} == set(names.items())
    assert [c.name for c in read_classes(tmp_path / "out" / "classes.json")][1:] == [
        names[1],
        names[2],
    ]


def test_the_same_from_python(tiny_run: Path, photos, colour_clip: Path, tmp_path: Path) -> None:
    from acseg import ACSeg
    from acseg.errors import ModelError

    folder = photos(tmp_path / "p", [f"{n}.png" for n in range(6)])
    model = ACSeg.from_pretrained(tiny_run, device="cpu", precision="float32")
    found = model.suggest_names(LIST.split(","), folder, text_model=str(colour_clip), threshold=0)
    assert {one.id: one.name for one in found} == model.names_
    assert model.name({1: "mine"}, drop=[2]) is model
    assert model.class_ids == [0, 1]
    model.save(tmp_path / "run")
    again = ACSeg.from_pretrained(tmp_path / "run", device="cpu", precision="float32")
    assert (again.names_, again.becomes_) == (model.names_, {2: 255})
    with pytest.raises(ModelError, match="no classes"):
        ACSeg().name({1: "x"})
    assert ACSeg().class_ids == []
