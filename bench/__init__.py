"""Benchmarks: what DAIRA adds to the bare cost of the servers below it, measured in one run on one machine."""
