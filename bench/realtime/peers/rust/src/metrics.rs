//! Counts and times the calls of a method, with Prometheus' client.

use std::sync::LazyLock;
use std::time::Instant;

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};
use prometheus::{register_histogram_vec, register_int_counter_vec};

static CALLS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!("calls_total", "calls", &["method", "code"]).expect("a new name")
});
static SECONDS: LazyLock<HistogramVec> = LazyLock::new(|| {
    register_histogram_vec!("call_seconds", "duration of calls", &["method"]).expect("a new name")
});

/// The metrics of one method, looked up once.
pub struct MethodMetrics {
    method: &'static str,
    succeeded: IntCounter,
    seconds: Histogram,
}

impl MethodMetrics {
    pub fn new(method: &'static str) -> Self {
        Self {
            method,
            succeeded: CALLS.with_label_values(&[method, "ok"]),
            seconds: SECONDS.with_label_values(&[method]),
        }
    }

    pub fn note(&self, code: &'static str, began: Instant) {
        match code {
            "ok" => self.succeeded.inc(),
            _ => CALLS.with_label_values(&[self.method, code]).inc(),
        }
        self.seconds.observe(began.elapsed().as_secs_f64());
    }
}
