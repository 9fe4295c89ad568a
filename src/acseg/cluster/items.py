"""What a collection beyond local folders holds: objects of a store, members of tar files."""

import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO, Any

from acseg.cluster.store import is_remote, open_address, walk_files
from acseg.errors import DataError
from acseg.images.walk import SUFFIXES, Failure, find_images
from acseg.names import numbered, safe_text


@dataclass(frozen=True)
class Item:
    """One picture, wherever it lies.

    Attributes
    ----------
    relative : str
        Its name in everything that is written; different for every item.
    address : str
        A local path or an address of a store; of the tar file for a member of one.
    start, length : int
        Where its bytes are in the tar file; -1 for a file of its own.
    stamp : str
        Tells one state of it from another.
    """

    relative: str
    address: str
    start: int = -1
    length: int = -1
    stamp: str = ""

    def read(self) -> bytes:
        """Read its bytes.

        Raises
        ------
        OSError
            If it cannot be read.
        """
        with open_binary(self.address) as file:
            if self.start < 0:
                return file.read()
            file.seek(self.start)
            return file.read(self.length)


def open_binary(address: str) -> IO[bytes]:
    """Open a local file or an object for reading."""
    if not is_remote(address):
        return Path(address).open("rb")
    fs, path = open_address(address)
    file: IO[bytes] = fs.open(path, "rb")
    return file


def find_items(inputs: Sequence[str | Path]) -> tuple[list[Item], list[Failure]]:
    """List the pictures of local folders and files, addresses, and tar files (WebDataset).

    Parameters
    ----------
    inputs : sequence of str or Path
        ``photos/``, ``s3://bucket/photos``, ``shards/0001.tar``, ``s3://bucket/0001.tar``; a
        folder or address gives its tar files' pictures too.

    Returns
    -------
    items : list of Item
        In the order of the inputs, each by name; names that meet are numbered.
    failures : list of Failure
        Inputs that gave nothing, with the reason.
    """
    found: list[Item] = []
    failures: list[Failure] = []
    for given in map(str, inputs):
        try:
            before = len(found)
            found += _remote(given) if is_remote(given) else _local(given, failures)
            if len(found) == before and is_remote(given):
                failures.append(Failure(safe_text(given), "holds no picture and no tar file"))
        except (OSError, tarfile.TarError, DataError) as error:
            failures.append(Failure(safe_text(given), str(error) or type(error).__name__))
    names = numbered([item.relative for item in found])
    return [replace(i, relative=name) for i, name in zip(found, names, strict=True)], failures


def _local(given: str, failures: list[Failure]) -> Iterator[Item]:
    path = Path(given)
    if path.suffix.lower() == ".tar" and path.is_file():
        yield from _members(given)
        return
    shards = sorted(path.rglob("*.tar")) if path.is_dir() else []
    sources, missing = find_images([given])
    if not shards:
        failures += missing
    for source in sources:
        state = source.path.stat()
        yield Item(source.relative, str(source.path), stamp=f"{state.st_size}-{state.st_mtime_ns}")
    for shard in shards:
        yield from _members(str(shard))


def _remote(given: str) -> Iterator[Item]:
    scheme = given.partition("://")[0]
    _, root = open_address(given)
    for path, _, stamp in walk_files(given):
        address = f"{scheme}://{path.lstrip('/') if scheme != 'file' else path}"
        kind = PurePosixPath(path).suffix.lower()
        if kind == ".tar":
            yield from _members(address)
        elif kind in SUFFIXES and "/." not in path[len(root) :]:
            below = path[len(root) :].lstrip("/") or PurePosixPath(path).name
            yield Item(safe_text(below), address, stamp=stamp)


def _members(address: str) -> Iterator[Item]:
    """List the pictures in a tar file; only its headers are read."""
    stem = PurePosixPath(address).stem
    with open_binary(address) as file, tarfile.open(fileobj=file, mode="r:") as tar:
        for member in tar:
            name = PurePosixPath(member.name)
            if member.isfile() and name.suffix.lower() in SUFFIXES:
                parts = [p for p in name.parts if p not in ("/", ".", "..")]
                yield Item(
                    safe_text("/".join([stem, *parts])),
                    address,
                    member.offset_data,
                    member.size,
                    f"{member.size}-{member.mtime}-{member.offset_data}",
                )


def to_row(item: Item) -> list[Any]:
    """Turn an item into what JSON holds."""
    return [item.relative, item.address, item.start, item.length, item.stamp]
