"""Messages about media: files that users upload straight to the object store, and what becomes of them."""

from typing import Annotated, ClassVar, Literal

import msgspec

from protocol.fields import AltText, Filename, Id, IdempotencyKey, Request
from protocol.moderation import Label
from protocol.pushes import Flow, Push

MediaKind = Literal["image", "video", "audio"]
MediaStatus = Literal["uploading", "processing", "ready", "failed"]
MOST_PARTS = 1_000
PartNumber = Annotated[int, msgspec.Meta(ge=1, le=MOST_PARTS)]


class ShownVariant(msgspec.Struct, frozen=True):
    """One form of the file. A client chooses by width and by the content types that it can show."""

    name: str
    content_type: str
    url: str
    width: int | None
    height: int | None


class MediaError(msgspec.Struct, frozen=True):
    """Why a file failed: a code for programs, and a text for its owner."""

    code: str
    message: str


class Media(msgspec.Struct, frozen=True):
    """A file. Its URLs expire at `urls_expire_at`; `media.get` returns new ones. waveform: of audio, 0 to 100 each.

    A sensitive file is shown blurred until the viewer asks for it. A URL that begins with `/` is one of the gateway's.
    hls_url: a viewer's own, so that it is null in pushes; `media.get` returns it. error: for the owner alone.
    """

    id: str
    kind: MediaKind
    status: MediaStatus
    alt: str
    is_sensitive: bool
    labels: list[Label]
    width: int | None
    height: int | None
    duration_ms: int | None
    blurhash: str | None
    waveform: list[int]
    variants: list[ShownVariant]
    hls_url: str | None
    poster_url: str | None
    urls_expire_at: str | None
    error: MediaError | None


MediaIds = Annotated[list[Id], msgspec.Meta(max_length=10)]


class CreateUpload(Request, frozen=True):
    """sha256: of the whole file, in hexadecimal. duration_ms: of a video, counted in the user's quota."""

    filename: Filename
    content_type: Annotated[str, msgspec.Meta(pattern=r"^(image|video|audio)/[A-Za-z0-9.+-]{1,60}$", max_length=70)]
    size_bytes: Annotated[int, msgspec.Meta(ge=1, le=2**40)]
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Fa-f]{64}$", max_length=64)] | None = None
    duration_ms: Annotated[int, msgspec.Meta(ge=0, le=2**40)] | None = None
    alt: AltText | None = None
    is_sensitive: bool = False
    idempotency_key: IdempotencyKey | None = None


class UploadPart(msgspec.Struct, frozen=True):
    """A part to send to `url` with exactly these headers and so many bytes: the signature covers both."""

    part_number: int
    method: Literal["PUT"]
    url: str
    headers: dict[str, str]
    size_bytes: int


class Upload(msgspec.Struct, frozen=True):
    """The parts still to send. Their URLs expire at `expires_at`; `media.renew_upload` returns new ones."""

    media_id: str
    parts: list[UploadPart]
    expires_at: str


class RenewUpload(Request, frozen=True):
    media_id: Id
    part_numbers: Annotated[list[PartNumber], msgspec.Meta(min_length=1, max_length=MOST_PARTS)]


class UpdateMedia(Request, frozen=True):
    """Absent fields stay as they are."""

    media_id: Id
    alt: AltText | None = None
    is_sensitive: bool | None = None


class MediaRef(Request, frozen=True):
    media_id: Id


class StoredPart(msgspec.Struct, frozen=True):
    """A part that the store has."""

    part_number: int
    etag: str
    size_bytes: int


class StoredParts(msgspec.Struct, frozen=True):
    """Parts that the store has. A client that resumes renews the parts that are missing; each but the last has
    `part_size_bytes`.
    """

    media_id: str
    items: list[StoredPart]
    part_count: int
    part_size_bytes: int


class CompletedPart(Request, frozen=True):
    part_number: PartNumber
    etag: Annotated[str, msgspec.Meta(max_length=100)]


class CompleteUpload(Request, frozen=True):
    """parts: as the store answered them, to be compared with what it has. Without them, what it has counts."""

    media_id: Id
    parts: Annotated[list[CompletedPart], msgspec.Meta(max_length=MOST_PARTS)] | None = None


class MediaProgressed(Push, frozen=True):
    """To the owner, while a file is processed."""

    event: ClassVar[str] = "media.progressed"
    flow: ClassVar[Flow] = "conflate"
    media_id: str
    percent: int

    @property
    def replaces(self) -> str:
        return f"{self.event}:{self.media_id}"


class MediaReady(Push, frozen=True):
    event: ClassVar[str] = "media.ready"
    media: Media


class MediaUpdated(Push, frozen=True):
    """A ready file has more variants, or the owner has changed `alt` or `is_sensitive`."""

    event: ClassVar[str] = "media.updated"
    media: Media


class MediaFailed(Push, frozen=True):
    event: ClassVar[str] = "media.failed"
    media: Media
