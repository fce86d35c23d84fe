"""The table of the two roles' rights, and the users that it is tested with."""

from tests.storage.policies.candidates import CANDIDATES
from tests.storage.policies.cases import CASES
from tests.storage.policies.chats import CHATS
from tests.storage.policies.counts import COUNTS
from tests.storage.policies.decisions import DECISIONS
from tests.storage.policies.engagement import ENGAGEMENT
from tests.storage.policies.events import OUTBOX
from tests.storage.policies.explore import EXPLORE
from tests.storage.policies.feeds import FEEDS
from tests.storage.policies.lifecycle import LIFECYCLE
from tests.storage.policies.media import MEDIA
from tests.storage.policies.notifications import NOTIFICATIONS
from tests.storage.policies.people import PEOPLE
from tests.storage.policies.rooms import ROOMS
from tests.storage.policies.rulebook import RULEBOOK
from tests.storage.policies.search import SEARCH

OF_VIEWERS = {
    **PEOPLE,
    **LIFECYCLE,
    **ENGAGEMENT,
    **COUNTS,
    **FEEDS,
    **ROOMS,
    **CHATS,
    **MEDIA,
    **NOTIFICATIONS,
    **CANDIDATES,
    **SEARCH,
    **EXPLORE,
    **CASES,
    **DECISIONS,
    **RULEBOOK,
    **OUTBOX,
}
