"""Benchmarks: the cost that DAIRA adds to bare PostgreSQL and Redis, measured in one run on one machine."""
