import tarfile
from pathlib import Path

from acseg.cluster.items import Item, find_items, to_row
from acseg.cluster.store import Store
from acseg.images.walk import find_images


def tar_of(path: Path, folder: Path) -> Path:
    with tarfile.open(path, "w") as tar:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                tar.add(file, str(file.relative_to(folder)))
    return path


def test_a_local_folder_gives_what_one_machine_finds(pictures: Path) -> None:
    items, failures = find_items([pictures])
    sources, _ = find_images([pictures])
    assert failures == []
    assert [(i.relative, i.address) for i in items] == [(s.relative, str(s.path)) for s in sources]
    assert all(item.read() == Path(item.address).read_bytes() for item in items)


def test_a_tar_file_gives_its_pictures_and_nothing_else(pictures: Path, tmp_path: Path) -> None:
    (pictures / "labels.txt").write_text("cat")
    shard = tar_of(tmp_path / "shard-0001.tar", pictures)
    items, failures = find_items([shard])
    assert failures == []
    assert {i.relative for i in items} == {
        f"shard-0001/{p.relative_to(pictures)}" for p in pictures.rglob("*.png")
    }
    for item in items:
        name = item.relative.removeprefix("shard-0001/")
        assert item.read() == (pictures / name).read_bytes()
    assert [i.relative for i in find_items([tmp_path / "shard-0001.tar"])[0]] == [
        i.relative for i in items
    ]


def test_a_folder_gives_the_pictures_in_its_tar_files(pictures: Path, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    shards.mkdir()
    tar_of(shards / "a.tar", pictures)
    tar_of(shards / "b.tar", pictures)
    items, failures = find_items([shards])
    assert failures == []
    assert len(items) == 2 * len(list(pictures.rglob("*.png")))
    assert {i.relative.split("/")[0] for i in items} == {"a", "b"}


def test_a_store_gives_pictures_and_tar_files(pictures: Path, tmp_path: Path) -> None:
    where = f"memory://{tmp_path.name}/photos"
    store = Store(where)
    for path in pictures.rglob("*.png"):
        store.put(str(path.relative_to(pictures)), path.read_bytes())
    store.put("notes.txt", b"no picture")
    store.put(".hidden/1.png", b"hidden")
    store.put("more.tar", tar_of(tmp_path / "more.tar", pictures).read_bytes())
    items, failures = find_items([where])
    assert failures == []
    plain = [i for i in items if i.start < 0]
    assert {i.relative for i in plain} == {
        str(p.relative_to(pictures)) for p in pictures.rglob("*.png")
    }
    for item in items:
        name = item.relative.removeprefix("more/")
        assert item.read() == (pictures / name).read_bytes()


def test_inputs_that_give_nothing_are_named(tmp_path: Path) -> None:
    (tmp_path / "bad.tar").write_bytes(b"x" * 600)
    given = [f"memory://{tmp_path.name}/none", str(tmp_path / "gone"), str(tmp_path / "bad.tar")]
    items, failures = find_items(given)
    assert items == []
    assert [f.path for f in failures] == given
    assert all(f.reason for f in failures)


def test_names_that_meet_are_numbered(pictures: Path) -> None:
    items, _ = find_items([pictures / "1.png", pictures, pictures / "1.png"])
    names = [i.relative for i in items]
    assert len(set(names)) == len(names)
    assert names[0] == "1.png"
    assert "1~2.png" in names


def test_members_stay_below_the_name_of_their_tar(tmp_path: Path) -> None:
    path = tmp_path / "evil.tar"
    with tarfile.open(path, "w") as tar:
        for name in ("../../up.png", "/root.png", "./here.png"):
            tar.addfile(tarfile.TarInfo(name))
    items, _ = find_items([path])
    assert [i.relative for i in items] == ["evil/up.png", "evil/root.png", "evil/here.png"]


def test_an_item_travels_as_a_row() -> None:
    item = Item("a/b.png", "s3://x/y.tar", 512, 9, "mark")
    assert Item(*to_row(item)) == item
