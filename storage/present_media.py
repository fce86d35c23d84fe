"""Makes messages of the rows of media. Here alone is decided what a viewer gets of a file, and by which URL."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from protocol.media import Media, MediaError, ShownVariant
from protocol.media_tokens import MediaTokens
from protocol.timestamps import to_wire
from storage.media import ShownMediaRow, VariantRow, shown_rows

POSTER, HLS = "poster", "hls"  # names of variants

ShowMedia = Callable[[Sequence[ShownMediaRow]], list[Media]]
"""Returns those files as one viewer may see them."""


class Reads(Protocol):
    """The object store, as far as it signs URLs to read from."""

    def read_url(self, key: str) -> str: ...

    def reads_expire_at(self) -> datetime: ...


class MediaPresenter:
    """Built once a process. cdn_url: serves the copies of files for everybody; None without a CDN."""

    def __init__(self, reads: Reads, tokens: MediaTokens, cdn_url: str | None) -> None:
        self._reads = reads
        self._tokens = tokens
        self._cdn_url = cdn_url

    @property
    def has_cdn(self) -> bool:
        return self._cdn_url is not None

    def shown_to(self, viewer_id: int | None) -> ShowMedia:
        """None: what goes to many viewers. It has no `hls_url` of a private file, since that one is a viewer's own."""
        return lambda rows: [self.media(row, viewer_id) for row in rows]

    def media(self, row: ShownMediaRow, viewer_id: int | None) -> Media:
        is_ready, is_own = row["status"] == "ready", row["owner_id"] == viewer_id
        named = {each["name"]: each for each in row["variants"]} if is_ready else {}
        poster, hls = named.pop(POSTER, None), named.pop(HLS, None)
        code = row["error_code"] if is_own else None
        return Media(
            id=str(row["id"]),
            kind=row["kind"],
            status=row["status"],
            alt=row["alt"],
            is_sensitive=row["is_sensitive"],
            labels=row["labels"],
            width=row["width"],
            height=row["height"],
            duration_ms=row["duration_ms"],
            blurhash=row["blurhash"],
            waveform=row["waveform"] or [],
            variants=[self._variant(row, each) for each in named.values()],
            hls_url=hls and self._hls_url(row, hls, viewer_id),
            poster_url=poster and self._url(row, poster["file"]),
            urls_expire_at=to_wire(self._reads.reads_expire_at()) if is_ready and not self._is_public(row) else None,
            error=MediaError(code, row["error_text"] or "") if code else None,
        )

    def avatar_url(self, row: ShownMediaRow) -> str:
        """The path at the gateway: it stays the same, and answers while the file is its owner's avatar."""
        return f"/media/{self._tokens.seal_avatar(row['id'])}/avatar"

    def smallest_url(self, row: ShownMediaRow) -> str | None:
        """Of an image."""
        sizes = [each for each in row["variants"] if each["content_type"] == "image/webp"]
        return self._url(row, min(sizes, key=lambda each: each["width"] or 0)["file"]) if sizes else None

    def file_url(self, row: ShownMediaRow, file: str) -> str:
        """Of one of the row's objects. Check first that the viewer may see the row."""
        return self._url(row, file)

    def _variant(self, row: ShownMediaRow, variant: VariantRow) -> ShownVariant:
        return ShownVariant(
            name=variant["name"],
            content_type=variant["content_type"],
            url=self._url(row, variant["file"]),
            width=variant["width"],
            height=variant["height"],
        )

    def _hls_url(self, row: ShownMediaRow, hls: VariantRow, viewer_id: int | None) -> str | None:
        if self._is_public(row):
            return self._url(row, hls["file"])
        return None if viewer_id is None else f"/media/{self._tokens.seal(row['id'], viewer_id)}/{hls['file']}"

    def _url(self, row: ShownMediaRow, file: str) -> str:
        if self._is_public(row):
            return f"{self._cdn_url}/{row['public_key']}{file}"
        return self._reads.read_url(row["object_key"] + file)

    def _is_public(self, row: ShownMediaRow) -> bool:
        return self._cdn_url is not None and row["public_key"] is not None


def decoded(encoded: str | None) -> Sequence[ShownMediaRow]:
    """encoded: JSON of a list of `ShownMediaRow`, or None."""
    return shown_rows(encoded) if encoded else ()
