"""The registry of personal data: for each table, what is exported of a person, and how a person is erased from it.

Both the export and the erasure follow it; `make erasure` writes the functions that the database runs for them
(storage/functions/personal_data.sql). A test compares it with the schema, table by table and column by column.
"""

from storage.personal_content import CONTENT
from storage.personal_moderation import MODERATION
from storage.personal_people import ACCOUNTS, LAST, PEOPLE
from storage.personal_records import Personal

PERSONAL: tuple[Personal, ...] = (*CONTENT, *MODERATION, *PEOPLE, *ACCOUNTS, *LAST)  # in the order of the erasure

# Tables without a person, each with the reason.
NOT_PERSONAL = {
    "alembic_version": "The version of the schema.",
    "schema_versions": "Versions of the schema.",
    "rulebook": "The number of the last change of rules.",
    "terms": "Words in lists of rules.",
    "removed_hashes": "Hashes of pictures that moderation removed, without whose they were.",
    "log_offsets": "Places in the event log.",
    "handled_events": "Ids of events.",
    "username_reservations": "Hashes of usernames that are free again later.",
    "outbox": "Events name people by ids, and are deleted 15 minutes after they were sent.",
    "audit_chain": "Hashes of audit rows.",
    "audit_unsealed": "Ids of audit rows.",
    "count_changes": "Changes of counts.",
    "counts_unpushed": "Counts that are to be pushed.",
    "view_sketches": "Counts of views, from which nobody can be read.",
    "search_documents": "It follows the rows of posts, users and rooms, by events that the erasure writes.",
    "post_tags": "It follows the posts, by events that the erasure writes.",
    "post_tags_backfill": "How far `post_tags` is filled.",
    "post_heat": "Counts of 48 hours.",
    "posts_to_explore": "Ids of posts.",
    "tag_heat": "Counts of many people.",
    "tag_hours": "Counts of many people.",
    "trends": "Counts of many people.",
}
