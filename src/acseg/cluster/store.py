"""Folders and object stores behind one small face (through fsspec)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from acseg.errors import DataError
from acseg.output.atomic import write_atomic
from acseg.untrusted import inside


def is_remote(where: str | Path) -> bool:
    """Say whether this is an address (``s3://bucket/folder``) rather than a local path."""
    return "://" in str(where)


def local_path(where: str | Path) -> Path | None:
    """Give the local path that a path or a ``file://`` address names; None for other addresses."""
    text = str(where)
    if text.startswith("file://"):
        return Path(text.removeprefix("file://"))
    return None if is_remote(text) else Path(text)


class Store:
    """A place for named files: a local folder, or what fsspec opens.

    Parameters
    ----------
    where : str or Path
        A folder, or an address such as ``s3://bucket/folder``.

    Raises
    ------
    DataError
        If nothing installed opens such an address.
    """

    def __init__(self, where: str | Path) -> None:
        self.where = str(where)
        self._fs: Any = None
        here = local_path(where)
        if here is None:
            self._fs, self._root = open_address(self.where)
        else:
            self._root = str(here.absolute())

    def put(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        if self._fs is None:
            write_atomic(inside(Path(self._root), name), data)
        else:  # object stores show an object when all of it is there
            self._fs.pipe_file(f"{self._root}/{name}", data)

    def put_file(self, name: str, path: Path) -> None:
        """Write a file from a local one."""
        if self._fs is None:
            write_atomic(inside(Path(self._root), name), path.read_bytes())
        else:
            self._fs.put_file(str(path), f"{self._root}/{name}")

    def get(self, name: str) -> bytes | None:
        """Read a file; None where it is not there."""
        try:
            if self._fs is None:
                return Path(self._root, name).read_bytes()
            data: bytes = self._fs.cat_file(f"{self._root}/{name}")
            return data
        except FileNotFoundError:
            return None

    def remove(self, folder: str) -> None:
        """Delete a folder and what it holds, if it is there."""
        import shutil

        if self._fs is None:
            shutil.rmtree(Path(self._root, folder), ignore_errors=True)
        elif self._fs.exists(f"{self._root}/{folder}"):
            self._fs.rm(f"{self._root}/{folder}", recursive=True)


def open_address(address: str) -> tuple[Any, str]:
    """Open an address with fsspec: the file system, and the path in it without a last slash."""
    try:
        import fsspec

        fs, path = fsspec.url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise DataError(
            f"{address}: {error}; object stores need pip install 'acseg[ray]', and S3 "
            "'acseg[s3]' as well"
        ) from error
    return fs, str(path).rstrip("/")


def walk_files(address: str) -> Iterator[tuple[str, int, str]]:
    """List the files at or below an address: path, bytes, and a mark of their state."""
    fs, path = open_address(address)
    found = fs.find(path, detail=True)
    for name in sorted(found):
        facts = found[name]
        mark = facts.get("ETag") or facts.get("etag") or facts.get("mtime") or facts.get("created")
        yield name, int(facts.get("size") or 0), f"{facts.get('size')}-{mark}"
