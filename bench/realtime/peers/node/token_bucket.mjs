// The limit on a connection's calls.

const CALLS_PER_SECOND = 1_000_000;

export class TokenBucket {
  tokens = 2 * CALLS_PER_SECOND;
  refilledAt = performance.now();

  take() {
    const now = performance.now();
    const refilled = this.tokens + ((now - this.refilledAt) / 1_000) * CALLS_PER_SECOND;
    this.tokens = Math.min(refilled, 2 * CALLS_PER_SECOND);
    this.refilledAt = now;
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }
}
