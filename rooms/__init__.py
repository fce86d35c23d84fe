"""Who hears what: rooms, the people in them on this node, where else people are, and publishing to both."""
