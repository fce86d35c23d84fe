-- Take one tick, one more, and three at once, in one moment of the server. KEYS clock. Returns them.
return {tick(KEYS[1]), tick(KEYS[1]), tick(KEYS[1], 3)}
