"""Rules that decide and compute, one file a subject, for handlers, workers, stages and the gateway.

They know no calls, jobs or channels. Most are pure functions; a few read from PostgreSQL or count in Redis.
"""
