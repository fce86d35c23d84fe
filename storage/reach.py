"""What is raised where a service that we depend on is out of reach, or the work collided and may be repeated."""

from storage.database import Conflict, DatabaseUnavailable
from storage.redis import RedisError

OUT_OF_REACH = (DatabaseUnavailable, Conflict, RedisError, TimeoutError)
