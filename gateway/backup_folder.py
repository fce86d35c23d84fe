"""The folder of a backup: a dump of the database, objects of the bucket, and a manifest with the sum of each file.

manifest.json    versions, counts, and size and SHA-256 of each other file: written last, so a backup that was
                 interrupted has none
database/        what pg_dump wrote
objects.jsonl    one line for each object of the bucket: key, size, content type, SHA-256
objects/         the objects, if they were copied
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

import msgspec

FORMAT = 1
CHUNK = 1024 * 1024


class BackupBroken(Exception):
    """The folder is no whole backup."""


class NotEmpty(Exception):
    """A backup is restored only where nothing is."""


class Sum(msgspec.Struct, frozen=True):
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    format: int
    made_at: str  # the moment of the snapshot, in UTC
    daira: str
    schema: str
    postgres: str
    rows: dict[str, int]  # by table
    objects: int
    object_bytes: int
    has_objects: bool  # or only their list
    files: dict[str, Sum]  # by path in the folder, without objects/


class ObjectEntry(msgspec.Struct, frozen=True):
    """An object of the bucket. sha256: None if it was not copied."""

    key: str
    size: int
    content_type: str | None = None
    sha256: str | None = None


class BackupFolder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = path / "database"
        self._manifest = path / "manifest.json"
        self._list = path / "objects.jsonl"

    def create(self) -> None:
        """Raises BackupBroken if it exists and is not empty."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if any(self.path.iterdir()):
            raise BackupBroken(f"{self.path} is not empty: name a new folder")
        self.path.chmod(0o700)

    def object_path(self, key: str) -> Path:
        """Where an object's copy is, whatever its key contains."""
        parts = [quote(part, safe="").replace(".", "%2E") or "%" for part in key.split("/")]
        return self.path.joinpath("objects", *parts[:-1], f"{parts[-1]}=")  # a key may also begin another one

    def list_objects(self, entries: Iterable[ObjectEntry]) -> None:
        """Add them to the list."""
        with self._list.open("ab") as file:
            file.writelines(msgspec.json.encode(entry) + b"\n" for entry in entries)

    def objects(self) -> Iterator[ObjectEntry]:
        with self._list.open("rb") as file:
            for line in file:
                yield msgspec.json.decode(line, type=ObjectEntry)

    def seal(self, manifest: Manifest) -> None:
        """Write the manifest once all else is on the disk."""
        os.sync()
        beside = self._manifest.with_suffix(".new")
        with beside.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        beside.rename(self._manifest)

    def manifest(self) -> Manifest:
        """Raises BackupBroken."""
        try:
            found = msgspec.json.decode(self._manifest.read_bytes(), type=Manifest)
        except FileNotFoundError:
            raise BackupBroken(
                f"{self.path} is no backup, or one that was interrupted: it has no manifest.json"
            ) from None
        except msgspec.DecodeError as error:
            raise BackupBroken(f"{self._manifest} cannot be read: {error}") from None
        if found.format != FORMAT:
            raise BackupBroken(f"{self.path} has format {found.format}, but this version reads {FORMAT}")
        return found

    def sums(self) -> dict[str, Sum]:
        """Return the present sums of the files that a manifest lists."""
        files = [self._list, *sorted(path for path in self.database.rglob("*") if path.is_file())]
        return {str(path.relative_to(self.path)): sum_of(path) for path in files}

    def faults(self, step: Callable[[int], None]) -> list[str]:
        """Return differences from the manifest. step: gets the number of bytes read. Raises BackupBroken."""
        manifest = self.manifest()
        expected = [(self.path / name, each) for name, each in manifest.files.items()]
        found = [fault for path, each in expected if (fault := _fault(path, each, step))]
        if found or not manifest.has_objects:
            return found
        count = 0
        for entry in self.objects():
            count += 1
            fault = _fault(self.object_path(entry.key), Sum(entry.size, entry.sha256 or ""), step)
            found += [fault] if fault else []
        return found if count == manifest.objects else [*found, f"{count} objects instead of {manifest.objects}"]

    def size(self) -> int:
        """Bytes of all that `faults` reads. Raises BackupBroken."""
        manifest = self.manifest()
        return sum(each.size for each in manifest.files.values()) + manifest.has_objects * manifest.object_bytes


def sum_of(path: Path, step: Callable[[int], None] = lambda size: None) -> Sum:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            step(len(chunk))
    return Sum(size, digest.hexdigest())


def _fault(path: Path, expected: Sum, step: Callable[[int], None]) -> str | None:
    try:
        found = sum_of(path, step)
    except FileNotFoundError:
        return f"{path} is missing"
    if found.size != expected.size:
        return f"{path} has {found.size} bytes instead of {expected.size}"
    return None if found == expected else f"{path} has changed"
