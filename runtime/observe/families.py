"""Families: the samples of metrics, collected for one answer and given to prometheus_client as it wants them."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from actors.meters import Timing
from runtime.observe.definitions import METRICS, Definition, Kind

__all__ = ["Families"]

Labels = tuple[str, ...]


class Families:
    """The samples of every metric; those of one metric with the same labels are added up."""

    def __init__(self) -> None:
        self._values: dict[str, dict[Labels, float]] = {}
        self._timings: dict[str, dict[Labels, Timing]] = {}

    def add(self, name: str, value: float, *labels: str) -> None:
        """Add to a counter or a gauge."""
        values = self._values.setdefault(name, {})
        values[labels] = values.get(labels, 0.0) + value

    def at_least(self, name: str, value: float, *labels: str) -> None:
        """Have a gauge be no less than this."""
        values = self._values.setdefault(name, {})
        values[labels] = max(values.get(labels, 0.0), value)

    def time(self, name: str, timing: Timing, *labels: str) -> None:
        """Give a histogram what was timed."""
        self._timings.setdefault(name, {})[labels] = timing

    def collect(self) -> Iterator[Metric]:
        """Give every metric with its samples, those without any, too."""
        for definition in METRICS.values():
            if definition.kind is Kind.HISTOGRAM:
                yield _histogram(definition, self._timings.get(definition.name, {}))
                continue
            family = _family(definition)
            for labels, value in self._values.get(definition.name, {}).items():
                family.add_metric(labels, value)
            yield family


def _family(definition: Definition) -> CounterMetricFamily | GaugeMetricFamily:
    make = CounterMetricFamily if definition.kind is Kind.COUNTER else GaugeMetricFamily
    return make(definition.name, definition.meaning, labels=definition.labels)


def _histogram(definition: Definition, timings: dict[Labels, Timing]) -> Metric:
    family = HistogramMetricFamily(definition.name, definition.meaning, labels=definition.labels)
    for labels, timing in timings.items():
        reached, buckets = 0, []
        for bound, count in zip((*map(str, timing.bounds), "+Inf"), timing.counts, strict=True):
            reached += count
            buckets.append((bound, reached))
        family.add_metric(labels, buckets, timing.total)
    return family
