"""Measures how good search results and feeds are: metrics, judged queries, generated data, tables."""
