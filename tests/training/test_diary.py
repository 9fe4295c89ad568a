"""The diary of a training."""

import json
from pathlib import Path

from acseg.training.diary import read_diary, write_diary


def test_a_diary_is_read_up_to_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "diary.jsonl"
    diary = [{"step": n, "loss": 1 / n} for n in range(1, 6)]
    write_diary(path, diary)
    assert [json.loads(line) for line in path.read_text().splitlines()] == diary
    assert read_diary(path, 3) == diary[:3]
    assert read_diary(path, 9) == diary


def test_without_a_checkpoint_or_a_file_it_is_empty(tmp_path: Path) -> None:
    write_diary(tmp_path / "diary.jsonl", [{"step": 1}])
    assert read_diary(tmp_path / "diary.jsonl", 0) == []
    assert read_diary(tmp_path / "none.jsonl", 3) == []
