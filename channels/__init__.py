"""Channels: what pushes are published to. Their members on this node, the bus between nodes, delivery and replay."""
