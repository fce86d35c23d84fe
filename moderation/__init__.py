"""Rules about what may be published: what they look at, how they are written, and what follows from them."""
