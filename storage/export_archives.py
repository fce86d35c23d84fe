"""Archives of exports: a ZIP with JSON for each table, the files, and a signed manifest.

`manifest.json` names each entry with its size and SHA-256. `manifest.sig` is the Ed25519 signature of its bytes, in
base64. The key derives from the first of the server's token keys; `daira export-keys` prints the public keys.
"""

import asyncio
import base64
import hashlib
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ARCHIVE = "daira-export.zip"
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
CHUNK = 1024 * 1024


class ExportKey:
    """Signs archives."""

    def __init__(self, seed: bytes) -> None:
        """seed: 32 bytes."""
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        public = self._key.public_key().public_bytes_raw()
        self.public = base64.b64encode(public).decode()
        self.id = hashlib.sha256(public).hexdigest()[:16]

    def sign(self, content: bytes) -> str:
        return base64.b64encode(self._key.sign(content)).decode()


class ArchiveEntry(msgspec.Struct, frozen=True):
    path: str
    size: int
    sha256: str


class Archive:
    """A ZIP that is being written to a file. Nothing of it is held in memory but the list of its entries."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED)
        self._entries: list[ArchiveEntry] = []

    async def add_rows(self, path: str, pages: AsyncIterator[list[str]]) -> None:
        """An array of these rows, which are JSON already."""
        with _Writing(self._zip, path) as entry:
            await asyncio.to_thread(entry.write, b"[")
            separator = "\n"
            async for page in pages:
                await asyncio.to_thread(entry.write, (separator + ",\n".join(page)).encode())
                separator = ",\n"
            await asyncio.to_thread(entry.write, b"\n]\n")
        self._entries.append(entry.done())

    async def add_file(self, path: str, source: Path) -> None:
        """A copy of the file. It is not compressed: media are already."""
        with _Writing(self._zip, path, zipfile.ZIP_STORED) as entry:
            await asyncio.to_thread(entry.copy, source)
        self._entries.append(entry.done())

    def finish(self, key: ExportKey, **facts: Any) -> None:
        """Add the manifest with these facts, and its signature."""
        manifest = msgspec.json.format(
            msgspec.json.encode({"version": 1, **facts, "key_id": key.id, "entries": self._entries})
        )
        self._zip.writestr(MANIFEST, manifest)
        self._zip.writestr(SIGNATURE, key.sign(manifest) + "\n")
        self._zip.close()

    def close(self) -> None:
        """Also if it is not finished."""
        self._zip.close()


class _Writing:
    """One entry that is being written."""

    def __init__(self, archive: zipfile.ZipFile, path: str, compression: int = zipfile.ZIP_DEFLATED) -> None:
        info = zipfile.ZipInfo(path)
        info.compress_type = compression
        self._file = archive.open(info, "w", force_zip64=True)
        self._path = path
        self._digest = hashlib.sha256()
        self._size = 0

    def __enter__(self) -> "_Writing":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, content: bytes) -> None:
        self._digest.update(content)
        self._size += len(content)
        self._file.write(content)

    def copy(self, source: Path) -> None:
        with source.open("rb") as file:
            while content := file.read(CHUNK):
                self.write(content)

    def done(self) -> ArchiveEntry:
        return ArchiveEntry(self._path, self._size, self._digest.hexdigest())
