"""From rows of cases to messages for moderators."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import orjson

from protocol.cases import ActOfDeciding, CaseAct, CaseFile, CaseReport, CaseSummary, CaseUser, EvidenceShown, Snapshot
from protocol.timestamps import to_wire
from storage.cases import ActRow, ReportOfCase, ShownCase
from storage.media import ORIGINAL, VariantRow
from storage.present import optional_time
from storage.present_media import HLS, POSTER

FileUrl = Callable[[str], str | None]  # from the id of a file to a URL that reads it; None if its objects are gone


def summary(row: ShownCase) -> CaseSummary:
    case = row["found"]
    claimer = _user(row["claimer"])
    return CaseSummary(
        id=str(case["id"]),
        target_type=case["target_type"],
        target_id=str(case["target_id"]),
        seq=case["target_seq"],
        owner_id=str(case["owner_id"]),
        status=case["status"],
        source=case["source"],
        reason=case["reason"],
        severity=case["severity"],
        priority=case["priority"],
        report_count=case["report_count"],
        is_private=case["is_private"],
        opened_at=to_wire(case["opened_at"]),
        due_at=optional_time(case["due_at"]),
        claimed_by=claimer,
        claimed_until=optional_time(case["claimed_until"]) if claimer is not None else None,
        decided_by=_user(row["decider"]),
        decided_at=optional_time(case["decided_at"]),
        action=case["action"],
    )


def file_urls(objects: Mapping[str, tuple[str, list[VariantRow]]], sign: Callable[[str], str]) -> FileUrl:
    """objects: of the case. sign: returns a URL that reads the object of a key."""

    def url_of(media_id: str) -> str | None:
        if media_id not in objects:
            return None
        key, variants = objects[media_id]
        shown = [
            each for each in variants if each["name"] not in (POSTER, HLS) and each["content_type"] != "image/avif"
        ]
        largest = max(shown, key=lambda each: each["width"] or 0, default=None)
        return sign(key + (largest["file"] if largest is not None else ORIGINAL))

    return url_of


def snapshot(stored: Any, url_of: FileUrl) -> Snapshot:
    """stored: as `case_for` has built it."""
    files = [
        CaseFile(id=file["id"], kind=file["kind"], alt=file["alt"], url=url_of(file["id"]))
        for file in stored.get("media", ())
    ]
    return msgspec.convert({**stored, "media": files}, Snapshot)


def report(row: ReportOfCase, url_of: FileUrl) -> CaseReport:
    evidence = [
        EvidenceShown(
            target_type=each["type"],
            target_id=each["id"],
            seq=each["seq"],
            snapshot=snapshot(each["snapshot"], url_of),
        )
        for each in orjson.loads(row["evidence"])
    ]
    return CaseReport(
        id=str(row["id"]),
        reporter=msgspec.json.decode(row["reporter"], type=CaseUser),
        reason=row["reason"],
        text=row["text"],
        evidence=evidence,
        weight=round(row["weight"], 3),
        created_at=to_wire(row["created_at"]),
    )


def act(row: ActRow, url_of: FileUrl) -> CaseAct:
    details = orjson.loads(row["details"])
    return CaseAct(
        id=str(row["id"]),
        kind=row["kind"],
        actor=_user(row["actor"]),
        note=row["note"],
        snapshot=snapshot(details.get("snapshot", {}), url_of) if row["kind"] == "changed" else None,
        decision=msgspec.convert(details, ActOfDeciding) if row["kind"] == "decided" and details else None,
        created_at=to_wire(row["created_at"]),
    )


def _user(stored: str | None) -> CaseUser | None:
    return None if stored is None else msgspec.json.decode(stored, type=CaseUser)
