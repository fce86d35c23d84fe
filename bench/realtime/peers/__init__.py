"""Programs that run beside us: the peers' servers, and publishers for them and for us."""
