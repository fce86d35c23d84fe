-- Two readings of the clock in one script, during which the server's time stands still. KEYS clock.
return {tick(KEYS[1]), tick(KEYS[1])}
