"""The realtime benchmarks: DAIRA's gateway and its peers, in one run, under one load generator."""
