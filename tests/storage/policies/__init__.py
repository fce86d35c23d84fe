"""The written table of what the two roles may do, and the people that it is tried on."""

from tests.storage.policies.events import OUTBOX
from tests.storage.policies.people import PEOPLE
from tests.storage.policies.rooms import ROOMS

OF_VIEWERS = {**PEOPLE, **ROOMS, **OUTBOX}
