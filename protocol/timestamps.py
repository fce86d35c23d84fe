"""Times on the wire: RFC 3339, UTC, milliseconds."""

from datetime import UTC, datetime


def to_wire(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
