"""The pass on a real local Ray cluster of two nodes, one of which is killed in the middle."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from acseg import ACSeg
from acseg.cli import fill_ray
from acseg.cluster.spread import run_spread
from acseg.collection import run_collection
from acseg.errors import DataError

ray = pytest.importorskip("ray", reason="needs Ray: pip install 'acseg[ray]'")


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_worker_niceness", "0")  # not the last in line on a busy machine
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "include_dashboard": False, "object_store_memory": 2**27},
    )
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.mark.usefixtures("small_chunks")
def test_a_node_killed_in_the_middle_costs_no_picture(
    cluster: Any, tiny_run: Path, pictures: Path, tmp_path: Path
) -> None:
    model = ACSeg.from_pretrained(tiny_run, device="cpu", precision="float32")
    run_collection(model, [pictures], tmp_path / "one", kind="classes")
    doomed = cluster.add_node(num_cpus=1, object_store_memory=2**27)
    cluster.wait_for_nodes()
    killed: list[float] = []

    def kill(task: str, done: int, of: int, note: str) -> None:
        if not killed:
            killed.append(time.monotonic())
            cluster.remove_node(doomed, allow_graceful=False)

    outcome = run_spread(
        model,
        [str(pictures)],
        tmp_path / "many",
        kind="classes",
        address=cluster.address,
        progress=kill,
    )
    assert killed
    assert outcome.written == 10
    assert [path for path, _ in outcome.failed] == ["broken.png"]
    for path in (tmp_path / "one").rglob("*"):
        if path.is_file() and ".acseg" not in path.parts and path.name != "index.html":
            other = tmp_path / "many" / path.relative_to(tmp_path / "one")
            assert other.read_bytes() == path.read_bytes(), path.name


def test_an_address_where_nobody_answers_is_named(tmp_path: Path, pictures: Path) -> None:
    from acseg.cluster.ray_pass import start_ray

    with pytest.raises(DataError, match=r"no Ray cluster answers at 127\.0\.0\.1:1"):
        start_ray("127.0.0.1:1")


@pytest.mark.parametrize(
    ("given", "filled"),
    [
        (["predict", "run", "in", "-o", "out", "--ray"], ["--ray=auto"]),
        (["predict", "--ray", "-o", "out", "run", "in"], ["--ray=auto", "-o", "out", "run", "in"]),
        (["predict", "--ray", "ray://head:10001", "run"], ["--ray", "ray://head:10001", "run"]),
        (["predict", "--ray", "10.0.0.1:6379"], ["--ray", "10.0.0.1:6379"]),
        (["predict", "--ray", "run", "in"], ["--ray=auto", "run", "in"]),
        (["predict", "--ray=local"], ["--ray=local"]),
    ],
)
def test_ray_takes_an_address_or_none(given: list[str], filled: list[str]) -> None:
    assert fill_ray(given)[-len(filled) :] == filled
