"""From rows of cases to messages for moderators."""

from collections.abc import Callable
from typing import Any

import msgspec
import orjson

from protocol.cases import ActOfDeciding, CaseAct, CaseFile, CaseReport, CaseSummary, CaseUser, EvidenceShown, Snapshot
from protocol.timestamps import to_wire
from storage.cases import ActRow, ReportOfCase, ShownCase
from storage.present import optional_time

SignUrl = Callable[[str], str]  # from the key of an object to a URL that reads it


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


def snapshot(stored: Any, sign: SignUrl) -> Snapshot:
    """stored: as `case_for` has built it."""
    files = [
        CaseFile(id=file["id"], kind=file["kind"], alt=file["alt"], url=sign(f"{file['key']}original"))
        for file in stored.get("media", ())
    ]
    return msgspec.convert({**stored, "media": files}, Snapshot)


def report(row: ReportOfCase, sign: SignUrl) -> CaseReport:
    evidence = [
        EvidenceShown(
            target_type=each["type"],
            target_id=each["id"],
            seq=each["seq"],
            snapshot=snapshot(each["snapshot"], sign),
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


def act(row: ActRow, sign: SignUrl) -> CaseAct:
    details = orjson.loads(row["details"])
    return CaseAct(
        id=str(row["id"]),
        kind=row["kind"],
        actor=_user(row["actor"]),
        note=row["note"],
        snapshot=snapshot(details.get("snapshot", {}), sign) if row["kind"] == "changed" else None,
        decision=msgspec.convert(details, ActOfDeciding) if row["kind"] == "decided" and details else None,
        created_at=to_wire(row["created_at"]),
    )


def _user(stored: str | None) -> CaseUser | None:
    return None if stored is None else msgspec.json.decode(stored, type=CaseUser)
