"""The realtime benchmarks: our gateway beside its peers, in one run, under one load generator."""
