"""A sink that keeps what it takes, for tests of one process.

Ask it for the spans of a trace: the cluster of other tests may work in this process meanwhile, in traces of its own.
"""

from collections.abc import Sequence

from tracing.traces import Span, Trace


class Kept:
    def __init__(self, *, samples: bool = True, keeps_faults: bool = True) -> None:
        self.spans: list[tuple[Trace, Span]] = []
        self._samples = samples
        self._keeps_faults = keeps_faults

    def of(self, trace: Trace) -> list[Span]:
        return [span for each, span in self.spans if each.id == trace.id]

    def names(self, trace: Trace) -> list[str]:
        return [span.name for span in self.of(trace)]

    def samples(self, trace_id: int) -> bool:
        return self._samples

    def may_keep_fault(self) -> bool:
        return self._keeps_faults

    def take(self, trace: Trace, spans: Sequence[Span]) -> None:
        self.spans += [(trace, span) for span in spans]
