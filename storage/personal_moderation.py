"""The registry of personal data: reports, cases, codes and mails of accounts."""

from storage.personal_records import Blanked, Deleted, Kept, Personal

_MINE = "user_id = person"
_MODERATORS = "The notes and the copies of moderators; the person sees decisions by `account.limits`."
_ABOUT_ME = "case_id IN (SELECT c.id FROM cases c WHERE c.owner_id = person)"
_RULE = "id version name surfaces expression outcome reason message saved_by saved_at is_enabled enabled_by enabled_at"
_RULES_STAY = "They contain no personal data but the id of the admin who wrote them."

MODERATION = (
    Personal(
        "reports",
        "id",
        "reporter_id = person",
        "id reason text created_at retracted_at outcome",
        "case_id reporter_id evidence weight",
        "What was reported belongs to others.",
        (
            Blanked("text = '', evidence = '[]'", "text = '' AND evidence = '[]'"),
            # Texts of others about the person.
            Blanked("text = '', evidence = '[]'", "text = '' AND evidence = '[]'", where=_ABOUT_ME),
            # Copies of what was the person's, in reports about others.
            Blanked(
                "evidence = evidence_without(evidence, person)",
                "false",
                where="evidence @> jsonb_build_array(jsonb_build_object('owner_id', person))",
            ),
        ),
    ),
    Personal(
        "case_files",
        "media_id, case_id",
        None,
        "",
        "case_id media_id owner_id object_key variants until",
        _MODERATORS,
        (Deleted("owner_id = person"),),  # events let workers delete the objects
    ),
    Personal("reporters", "user_id", None, "", "user_id upheld rejected", "It weighs reports.", (Deleted(_MINE),)),
    Personal(
        "case_acts",
        "id",
        None,
        "",
        "id case_id actor_id kind note details created_at",
        _MODERATORS,
        (Blanked("note = '', details = '{}'", "note = '' AND details = '{}'", where=_ABOUT_ME),),
    ),
    Personal(
        "cases",
        "id",
        None,
        "",
        "id target_type target_id target_seq owner_id status source reason severity report_count report_weight priority"
        " snapshot content_hash is_private barred_ids due_at claimed_by claimed_until opened_at decided_at decided_by"
        " action findings",
        _MODERATORS,
        (Blanked("snapshot = '{}', content_hash = sha256('')", "snapshot = '{}'", where="owner_id = person"),),
    ),
    Personal(
        "decisions",
        "id",
        # The export must not reveal to authors that their spam is shadowed.
        "user_id = person AND action <> 'shadow'",
        "id target_type target_id target_seq action reason labels until created_at ended_at end_reason",
        "case_id user_id note decided_by rule_id rule_version ended_by",
        _MODERATORS,
        (Blanked("note = ''", "note = ''", where="user_id = person"),),
    ),
    Personal(
        "statements",
        "decision_id",
        "decision_id IN (SELECT d.id FROM decisions d WHERE d.user_id = person AND d.action <> 'shadow')",
        "decision_id decision_visibility decision_account decision_ground facts category content_type territorial_scope"
        " source automated_detection automated_decision applies_from end_date language",
        "user_id",
        "It is the person.",
        (Kept("They say what was decided, in words that are the same for everybody."),),
    ),
    Personal(
        "appeals",
        "id",
        "user_id = person",
        "id decision_id text status due_at created_at decided_at",
        "user_id case_id decided_by",
        _MODERATORS,
        (Blanked("text = ''", "text = ''"),),
    ),
    Personal(
        "one_time_codes",
        "purpose, subject",
        None,
        "",
        "purpose subject id user_id address address_key attempts expires_at used_at",
        "Valid for minutes.",
        (Deleted(_MINE),),
    ),
    Personal(
        "account_mails",
        "id",
        None,
        "",
        "id user_id address locale kind detail due_at expires_at leased_until attempts outcome",
        "Kept until they are sent.",
        (Deleted(_MINE),),
    ),
    Personal(
        "rule_hits",
        "id",
        None,
        "",
        "id rule_id rule_version surface outcome user_id target_id",
        "Kept for 30 days, to judge the rules.",
        (Deleted(_MINE),),
    ),
    Personal("text_prints", "id", None, "", "id surface print user_id", "Fingerprints of 24 hours.", (Deleted(_MINE),)),
    Personal("rules", "id, version", None, "", _RULE, _RULES_STAY, (Kept(_RULES_STAY),)),
    Personal(
        "term_lists", "id", None, "", "id name match version saved_by saved_at", _RULES_STAY, (Kept(_RULES_STAY),)
    ),
)
