from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acseg import ACSeg
from acseg.cluster.fit_pass import RayEncode
from acseg.training.fit import fit_collection

pytestmark = pytest.mark.usefixtures("small_chunks")


def fit(pictures: Path, run: Path, settings: dict[str, Any], **more: Any) -> ACSeg:
    model = ACSeg(**settings)
    fit_collection(model, [pictures], run, **more)
    return model


def files_of(run: Path) -> dict[str, bytes]:
    return {str(p.relative_to(run)): p.read_bytes() for p in run.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("changed", "chunks"),
    [({}, 6), ({"division": "exact"}, 3), ({"descriptor": "crop", "granularity": 0.8}, 6)],
)
def test_a_cluster_fits_the_bytes_of_one_machine(
    pictures: Path,
    tmp_path: Path,
    tiny_settings: dict[str, Any],
    without_ray: list[str],
    changed: dict[str, Any],
    chunks: int,
) -> None:
    one = fit(pictures, tmp_path / "one", tiny_settings | changed)
    many = fit(pictures, tmp_path / "many", tiny_settings | changed, by=RayEncode())
    assert len(without_ray) == chunks  # three in each pass
    assert one.failed_ == many.failed_
    assert [path for path, _ in many.failed_] == ["broken.png"]
    assert files_of(tmp_path / "one") == files_of(tmp_path / "many")


def test_a_fit_that_was_killed_goes_on_on_a_cluster(
    pictures: Path, tmp_path: Path, tiny_settings: dict[str, Any], without_ray: list[str]
) -> None:
    class Killed(Exception):
        pass

    def kill(task: str, done: int, of: int, note: str) -> None:
        if task == "reading tokens" and done == 5:
            raise Killed

    whole = fit(pictures, tmp_path / "whole", tiny_settings)
    with pytest.raises(Killed):
        fit(pictures, tmp_path / "killed", tiny_settings, progress=kill)
    fit(pictures, tmp_path / "killed", tiny_settings, by=RayEncode())
    assert files_of(tmp_path / "whole") == files_of(tmp_path / "killed")
    assert whole.centres_ is not None
    assert np.isfinite(whole.centres_).all()
