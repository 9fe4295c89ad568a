"""A real S3-compatible server, started by the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from acseg import ACSeg
from acseg.cluster.remote import run_remote
from acseg.cluster.store import Store
from acseg.collection import run_collection

pytest.importorskip("s3fs", reason="needs s3fs: pip install 'acseg[s3]'")
moto_server = pytest.importorskip("moto.server", reason="needs moto, of the extra dev")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdir("photos")
    yield "s3://photos"
    server.stop()
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.usefixtures("small_chunks", "without_ray")
def test_from_s3_to_s3(bucket: str, tiny_run: Path, pictures: Path, tmp_path: Path) -> None:
    model = ACSeg.from_pretrained(tiny_run, device="cpu", precision="float32")
    store = Store(f"{bucket}/in")
    for path in pictures.rglob("*.png"):
        store.put(str(path.relative_to(pictures)), path.read_bytes())
    out = f"{bucket}/out"
    outcome = run_remote(model, [f"{bucket}/in"], out, kind="classes")
    assert outcome.written == 10
    assert [path for path, _ in outcome.failed] == ["broken.png"]
    run_collection(model, [pictures], tmp_path / "one", kind="classes")
    written = Store(out)
    for folder in ("labels", "overlays"):
        for path in (tmp_path / "one" / folder).rglob("*"):
            if path.is_file():
                name = str(path.relative_to(tmp_path / "one"))
                assert written.get(name) == path.read_bytes()
    assert written.get("classes.json") == (tmp_path / "one" / "classes.json").read_bytes()
    again = run_remote(model, [f"{bucket}/in"], out, kind="classes")
    assert again.reused == 7
