"""A sink that keeps what it takes, for tests of one process."""

from collections.abc import Sequence

from tracing.traces import Span, Trace


class Kept:
    def __init__(self, *, samples: bool = True, keeps_faults: bool = True) -> None:
        self.spans: list[tuple[Trace, Span]] = []
        self._samples = samples
        self._keeps_faults = keeps_faults

    @property
    def names(self) -> list[str]:
        return [span.name for _, span in self.spans]

    def samples(self, trace_id: int) -> bool:
        return self._samples

    def may_keep_fault(self) -> bool:
        return self._keeps_faults

    def take(self, trace: Trace, spans: Sequence[Span]) -> None:
        self.spans += [(trace, span) for span in spans]
