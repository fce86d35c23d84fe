"""Storage: PostgreSQL, Redis, objects, the outbox and the event log. All SQL is here, and the Lua of what it stores."""
