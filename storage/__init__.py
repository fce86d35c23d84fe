"""What lasts: PostgreSQL, Redis, objects, the outbox and the event log. SQL and Lua live here and nowhere above."""
