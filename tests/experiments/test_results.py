import json
from pathlib import Path

import pytest

from acseg.errors import DataError
from acseg.experiments.results import Result, Results


def result(row: str = "a", seed: int = 0, fingerprint: str = "f") -> Result:
    return Result("table", row, 0, seed, fingerprint, {"mIoU": 12.5}, {"x.png": "broken"})


def test_what_was_added_is_found_after_reading_again(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    results = Results(path)
    results.add(result(seed=0))
    results.add(result(seed=1))
    again = Results(path)
    assert len(again) == 2
    assert again.find("f", 1) == result(seed=1)
    assert again.find("f", 2) is None
    assert again.find("g", 1) is None


def test_results_of_other_settings_stay_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    Results(path).add(result(fingerprint="long work"))
    Results(path).add(result(fingerprint="a trial"))
    assert Results(path).find("long work", 0) is not None


def test_a_line_is_plain_json(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    Results(path).add(result())
    [line] = path.read_text().splitlines()
    assert json.loads(line)["figures"] == {"mIoU": 12.5}


def test_without_a_file_they_are_kept_in_memory() -> None:
    results = Results()
    results.add(result())
    assert results.find("f", 0) == result()


@pytest.mark.parametrize("text", ["no json\n", '{"row": "a"}\n', "3\n"])
def test_another_file_is_not_taken_for_results(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(text)
    with pytest.raises(DataError, match=r"r\.jsonl, line 1: no result"):
        Results(path)
    assert path.read_text() == text


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read the results"):
        Results(tmp_path)
