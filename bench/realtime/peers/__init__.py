"""Programs that the benchmark starts: the peers' servers, and the publishers."""
