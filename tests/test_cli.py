import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from acseg import cli
from acseg.output.label_png import write_labels

Photos = Callable[..., Path]


@dataclass
class Done:
    """What a command gave back: exit status and what it printed."""

    status: int
    out: str
    err: str


Acseg = Callable[..., Done]


@pytest.fixture
def acseg(capsys: pytest.CaptureFixture[str]) -> Iterator[Acseg]:
    """Run a command line in this process."""

    def run(*arguments: str | Path) -> Done:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        code = left.value.code
        return Done(code if isinstance(code, int) else 0, captured.out, captured.err)

    level = logging.getLogger("acseg").level
    yield run
    logging.getLogger("acseg").setLevel(level)


@pytest.fixture
def folder(photos: Photos, tmp_path: Path) -> Path:
    return photos(tmp_path / "photos", ["a.png", "b.jpg", "sub/c.png"])


@pytest.fixture
def fit(tiny_backbone: Path, acseg: Acseg) -> Acseg:
    """Run a short fit with a training."""

    def run(*arguments: str | Path) -> Done:
        size = ("--steps", "3", "--foreground", "mean")
        for setting in ("side=40", "concepts=3", "batch_size=2", "sample=16"):
            size += ("--set", setting)
        return acseg("fit", "--backbone", tiny_backbone, *size, "--device", "cpu", *arguments)

    return run


def files_of(folder: Path) -> dict[str, bytes]:
    found = (p for p in sorted(folder.rglob("*")) if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found}


COMMANDS = ["demo", "segment", "fit", "predict", "classes list", "evaluate", "backbones", "report"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(acseg: Acseg, command: str) -> None:
    done = acseg(*command.split(), "--help")
    assert done.status == 0
    assert f"  acseg {command}" in done.out
    short = acseg(*command.split(), "-h")
    assert short.out == done.out


def test_an_unknown_option_is_wrong_usage_in_a_shell_too() -> None:
    code = "from acseg.cli import main; main(['segment', '--nonsense'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "--nonsense" in done.stderr
    assert "Traceback" not in done.stderr


def test_segment_writes_out_and_says_where(
    acseg: Acseg, tiny_run: Path, folder: Path, tmp_path: Path
) -> None:
    done = acseg("segment", folder, "-o", tmp_path / "out", "--model", tiny_run)
    assert done.status == 0
    assert done.err == ""
    assert done.out.startswith("3 pictures, ")
    assert f"the report is {tmp_path / 'out' / 'index.html'}" in done.out
    for name in ("a", "b", "sub/c"):
        assert (tmp_path / "out" / "labels" / f"{name}.png").is_file()
        assert (tmp_path / "out" / "overlays" / f"{name}.jpg").is_file()


@pytest.mark.parametrize("command", ["segment", "predict"])
def test_failed_inputs_are_named_with_status_1_and_the_others_are_there(
    acseg: Acseg, tiny_run: Path, folder: Path, tmp_path: Path, command: str
) -> None:
    (folder / "broken.jpg").write_bytes(b"no picture")
    out = tmp_path / "out"
    inputs = [folder, tmp_path / "gone.png", "-o", out]
    if command == "segment":
        done = acseg("segment", *inputs, "--model", tiny_run)
    else:
        done = acseg("predict", tiny_run, *inputs)
    assert done.status == 1
    assert done.err.splitlines() == [
        f"failed: {tmp_path / 'gone.png'}: no such file or folder",
        "failed: broken.jpg: not a picture, or of a kind that is not read, whatever its name says",
    ]
    assert done.out.startswith("3 pictures, ")
    assert sorted(p.name for p in (out / "labels").rglob("*.png")) == ["a.png", "b.png", "c.png"]
    lines = (out / "segments.jsonl").read_text().splitlines()
    assert [json.loads(line)["status"] for line in lines].count("failed") == 2


def test_only_failures_have_status_1_too(acseg: Acseg, tiny_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = acseg("segment", tmp_path / "gone", "-o", out, "--model", tiny_run)
    assert done.status == 1
    assert "no such file or folder" in done.err
    assert (out / "index.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["segment", "photos"], "Missing option"),
        (["segment", "-o", "out"], "Missing argument"),
        (["predict", "none", "photos", "-o", "out"], "acseg: none is no model folder"),
        (["segment", "photos", "-o", "out", "--model", "./none"], "acseg: there is no folder ./no"),
        (
            ["segment", "photos", "-o", "out", "--model", "photos"],
            "acseg: photos is no model folder",
        ),
        (["segment", "photos", "-o", "out", "--granularity", "2"], "granularity"),
        (["fit", "photos", "-o", "run", "--backbone", "./none"], "acseg: there is no folder ./no"),
        (["fit", "photos", "-o", "run", "--classes", "many"], "auto or a whole number, not 'many'"),
        (["fit", "photos", "-o", "run", "--classes", "0"], "acseg: n_classes must be 'auto' or 1"),
        (["fit", "photos", "-o", "run", "--steps", "0"], "acseg: steps must be"),
        (["fit", "photos", "-o", "run", "--steps", "x"], "valid integer"),
        (["fit", "photos", "-o", "run", "--seed", "-1"], "acseg: seed must be"),
        (["fit", "photos", "-o", "run", "--set", "learning_rate=-1"], "acseg: learning_rate must"),
        (["fit", "photos", "-o", "run", "--set", "learning_rate=NaN"], "acseg: learning_rate must"),
        (["fit", "photos", "-o", "run", "--foreground", "all"], "acseg: foreground must be"),
        (["fit", "photos", "-o", "run", "--set", "descriptor=all"], "acseg: descriptor must be"),
        (["fit", "photos", "-o", "run", "--set", "colour=red"], "the settings are backbone,"),
        (["fit", "photos", "-o", "run", "--set", "side"], "a setting and its value, not 'side'"),
        (["report", "photos"], "is no output folder: it has no segments.jsonl"),
        (["evaluate", "--labels", "none", "--masks", "photos"], "acseg: none: no such folder"),
        (["evaluate", "--labels", "x", "--masks", "y", "--protocol", "P9"], "'P9' is unknown"),
        (["evaluate", "--labels", "x", "--masks", "y", "--match", "z"], "'z'"),
        (["evaluate", "--labels", "x"], "Missing option '--masks'"),
        (["nonsense"], "No such command"),
        ([], ""),
    ],
)
def test_wrong_usage_is_one_clear_line_and_status_2(
    acseg: Acseg,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(folder.parent)
    done = acseg(*arguments)
    assert done.status == 2
    assert words in done.err
    assert "Traceback" not in done.err
    if words.startswith("acseg: "):
        assert done.err.count("\n") == 1
    assert sorted(path.name for path in folder.parent.iterdir()) == ["photos"]


def test_a_backbone_name_that_nobody_knows_is_one_line(
    acseg: Acseg, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    done = acseg("fit", folder, "-o", tmp_path / "run", "--backbone", "nobody/no-such-vit")
    assert done.status == 2
    assert "nobody/no-such-vit" in done.err
    assert "bundled" in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "run").exists()


def test_an_out_that_cannot_be_made_is_status_2(
    acseg: Acseg, fit: Acseg, tiny_run: Path, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    for done in (
        acseg("segment", folder, "-o", tmp_path / "file", "--model", tiny_run),
        fit(folder, "-o", tmp_path / "file"),
        fit(folder, "-o", tmp_path / "file" / "below"),
    ):
        assert done.status == 2
        assert done.err.startswith("acseg: ")
        assert done.err.count("\n") == 1
        assert "file" in done.err


def test_fit_writes_the_same_run_for_the_same_command(
    fit: Acseg, acseg: Acseg, folder: Path, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        done = fit(folder, "-o", tmp_path / name, "--classes", "3", "--seed", "4")
        assert done.status == 0
        assert done.out == f"3 classes; the model is {tmp_path / name}\n"
        done = acseg("predict", tmp_path / name, folder, "-o", tmp_path / f"{name}-out")
        assert done.status == 0
        assert done.out.startswith("3 pictures, 3 classes\n")
    files = files_of(tmp_path / "one")
    assert files == files_of(tmp_path / "two")
    assert {"config.json", "generator.safetensors", "training.jsonl"} < set(files)
    assert "state" not in files
    labels = files_of(tmp_path / "one-out" / "labels")
    assert labels == files_of(tmp_path / "two-out" / "labels")
    classes = json.loads((tmp_path / "one-out" / "classes.json").read_text())["classes"]
    assert [c["id"] for c in classes] == [0, 1, 2]
    assert sum(c["share"] for c in classes) == pytest.approx(1, abs=1e-5)


def test_fit_names_what_it_could_not_read(fit: Acseg, folder: Path, tmp_path: Path) -> None:
    (folder / "broken.jpg").write_bytes(b"no picture")
    done = fit(folder, "-o", tmp_path / "run", "--classes", "2")
    assert done.status == 1
    assert done.err.startswith("failed: broken.jpg: not a picture")
    assert (tmp_path / "run" / "config.json").is_file()


def test_too_many_classes_are_a_clear_line(fit: Acseg, folder: Path, tmp_path: Path) -> None:
    done = fit(folder, "-o", tmp_path / "run", "--classes", "200")
    assert done.status == 2
    assert done.err.startswith("acseg: 199 classes need at least 199 different region descriptors")
    assert done.err.count("\n") == 1
    assert not (tmp_path / "run" / "config.json").exists()


def test_a_finished_model_is_only_replaced_when_told(
    fit: Acseg, folder: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert fit(folder, "-o", run, "--classes", "2").status == 0
    first = files_of(run)
    done = fit(folder, "-o", run, "--classes", "3")
    assert done.status == 2
    assert "--overwrite replaces it" in " ".join(done.err.split())
    assert files_of(run) == first
    done = fit(folder, "-o", run, "--classes", "3", "--overwrite", "--backbone", "./none")
    assert done.status == 2
    assert files_of(run) == first  # what could not replace it has not deleted it
    assert fit(folder, "-o", run, "--classes", "3", "--overwrite").status == 0
    assert files_of(run) != first
    (run / "letter.txt").write_text("mine")
    done = fit(folder, "-o", run, "--overwrite")
    assert done.status == 2
    assert "letter.txt" in done.err
    assert (run / "config.json").is_file()


def test_overwrite_starts_an_unfinished_fit_anew(fit: Acseg, folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert fit(folder, "-o", run, "--classes", "200").status == 2  # leaves its state
    done = fit(folder, "-o", run, "--classes", "2", "--seed", "1")
    assert done.status == 2
    assert "unfinished fit with other settings" in done.err
    done = fit(folder, "-o", run, "--classes", "2", "--seed", "1", "--overwrite")
    assert done.status == 0
    assert done.out.startswith("2 classes")


def test_fewer_classes_finish_an_unfinished_fit(fit: Acseg, folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert fit(folder, "-o", run, "--classes", "200").status == 2  # leaves its state
    done = fit(folder, "-o", run, "--classes", "2")
    assert (done.status, done.out) == (0, f"2 classes; the model is {run}\n")
    assert not (run / "state").exists()


def test_overwrite_deletes_no_folder_of_other_things(
    fit: Acseg, tiny_backbone: Path, folder: Path, tmp_path: Path
) -> None:
    backbone = Path(shutil.copytree(tiny_backbone, tmp_path / "backbone"))
    before = files_of(backbone)
    done = fit(folder, "-o", backbone, "--overwrite")
    assert done.status == 2
    assert "holds more than a model (model.safetensors)" in " ".join(done.err.split())
    assert files_of(backbone) == before


def test_predict_with_a_model_without_classes_says_what_to_do(
    acseg: Acseg, tiny_run: Path, folder: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    (run / "classes.safetensors").unlink()
    done = acseg("predict", run, folder, "-o", tmp_path / "out")
    assert done.status == 2
    assert "holds no classes; `acseg fit` finds them" in done.err
    assert not (tmp_path / "out").exists()


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    """Two label maps that are right but for their numbers, and one wrong row of ten in one."""
    masks = np.zeros((10, 10), np.uint8)
    masks[5:] = 1
    labels = np.where(masks == 0, 3, 0)
    for name in ("a", "sub/b"):
        write_labels(tmp_path / "masks" / f"{name}.png", masks)
        wrong = labels.copy()
        if name == "a":
            wrong[0] = 0
        write_labels(tmp_path / "labels" / f"{name}.png", wrong)
    return tmp_path


def test_evaluate_prints_a_table_or_json(acseg: Acseg, scored: Path) -> None:
    folders = ("--labels", scored / "labels", "--masks", scored / "masks")
    table = acseg("evaluate", *folders)
    assert table.status == 0
    assert "P1 collection" in table.out
    assert "P3 image" in table.out
    done = acseg("evaluate", *folders, "--json")
    scores = json.loads(done.out)
    assert scores["accuracy"] == pytest.approx(0.95)
    assert scores["miou"] == pytest.approx((90 / 100 + 100 / 110) / 2)
    assert f"{100 * scores['miou']:.1f}" in table.out
    assert scores["image"]["protocol"] == "image"
    direct = json.loads(acseg("evaluate", *folders, "--protocol", "direct", "--json").out)
    assert direct["accuracy"] == pytest.approx(0.05)  # by the one wrong row
    for protocol, words in (("image", "P3 image"), ("overcluster", "P2 over-clustering")):
        table = acseg("evaluate", *folders, "--protocol", protocol)
        assert words in table.out
        done = acseg("evaluate", *folders, "--protocol", protocol, "--json", "--match", "iou")
        assert json.loads(done.out)["protocol"] == protocol


def test_evaluate_names_what_has_no_partner(acseg: Acseg, scored: Path) -> None:
    (scored / "labels" / "sub" / "b.png").unlink()
    done = acseg("evaluate", "--labels", scored / "labels", "--masks", scored / "masks", "--json")
    assert done.status == 1
    assert done.err.count("b.png: no label map of this name") == 1
    assert json.loads(done.out)["images"] == 1


def test_report_writes_the_same_page_again(
    acseg: Acseg, tiny_run: Path, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    acseg("predict", tiny_run, folder, "-o", out)
    page = (out / "index.html").read_bytes()
    (out / "index.html").unlink()
    done = acseg("report", out, "--title", "Classes")
    assert done.status == 0
    assert done.out == f"the report is {out / 'index.html'}\n"
    assert (out / "index.html").read_bytes() == page


def test_backbones_lists_all_as_table_and_json(acseg: Acseg) -> None:
    done = acseg("backbones")
    assert done.status == 0
    lines = done.out.splitlines()
    assert lines[0].split() == [
        "name", "family", "layers", "default_block", "patch", "licence", "note", "here",
    ]  # fmt: skip
    assert lines[1].startswith("bundled ")
    rows = json.loads(acseg("backbones", "--json").out)
    assert [row["name"] for row in rows] == [line.split()[0] for line in lines[1 : len(rows) + 1]]
    assert {"name": "dino-vits8", "patch": 8, "here": False}.items() <= rows[1].items()


def test_verbose_says_what_was_chosen(
    acseg: Acseg, tiny_run: Path, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    acseg("--verbose", "segment", folder / "a.png", "-o", tmp_path / "out", "--model", tiny_run)
    assert "block 2 of 2" in caplog.text
    caplog.clear()
    acseg("segment", folder / "a.png", "-o", tmp_path / "out", "--model", tiny_run)
    assert "block 2 of 2" not in caplog.text


def test_demo_segments_the_samples(
    acseg: Acseg, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small picture stands in for the samples."""
    monkeypatch.setattr("acseg.demo.sample_photographs", lambda: [folder / "a.png"])
    done = acseg("demo", "-o", tmp_path / "demo")
    assert done.status == 0
    assert done.err.startswith("backbone: bundled")
    assert done.out.startswith("1 picture, ")
    assert (tmp_path / "demo" / "index.html").is_file()


def test_the_bundled_backbone_segments_a_photograph(acseg: Acseg, tmp_path: Path) -> None:
    from acseg.demo import sample_photographs

    done = acseg("segment", sample_photographs()[0], "-o", tmp_path / "out")
    assert done.status == 0
    with Image.open(next((tmp_path / "out" / "labels").glob("*.png"))) as labels:
        assert len(np.unique(np.asarray(labels))) >= 2
    card = acseg("backbones").out
    assert "missing in this installation" not in card
