//! The limit on a connection's calls.

use std::sync::Mutex;
use std::time::Instant;

const CALLS_PER_SECOND: f64 = 1_000_000.0;
const MOST: f64 = 2.0 * CALLS_PER_SECOND;

pub struct TokenBucket(Mutex<State>);

struct State {
    tokens: f64,
    refilled_at: Instant,
}

impl TokenBucket {
    pub fn new() -> Self {
        Self(Mutex::new(State {
            tokens: MOST,
            refilled_at: Instant::now(),
        }))
    }

    /// Takes a token. Returns whether there was one.
    pub fn take(&self) -> bool {
        let mut state = self.0.lock().expect("no holder panics");
        let now = Instant::now();
        let refilled = state.tokens + (now - state.refilled_at).as_secs_f64() * CALLS_PER_SECOND;
        state.tokens = refilled.min(MOST);
        state.refilled_at = now;
        let taken = state.tokens >= 1.0;
        if taken {
            state.tokens -= 1.0;
        }
        taken
    }
}
