"""Exceptions for a service that cannot be reached, and for a transaction that collided and may be repeated."""

from storage.database import Conflict, DatabaseUnavailable
from storage.event_log import EventLogUnavailable
from storage.objects import ObjectsUnavailable
from storage.redis import RedisError

OUT_OF_REACH = (DatabaseUnavailable, Conflict, ObjectsUnavailable, RedisError, EventLogUnavailable, TimeoutError)
