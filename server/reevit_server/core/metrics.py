"""Figures for Prometheus: how many requests, how long they took, how they ended."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily

from reevit_server.core.jobs import Depth

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

_requests = Counter(
    "reevit_http_requests_total", "Requests by route and status.", ["method", "route", "status"]
)
_seconds = Histogram("reevit_http_request_seconds", "Time to answer, by route.", ["route"], buckets=_SECONDS)

# Finding a labelled child is slower than counting on it, and there are few of them: routes times statuses.
_children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}


def observe(method: str, route: str, status: int, seconds: float) -> None:
    """Counts one answered request. `route` is the template, so that ids never become labels."""
    key = (method, route, status)
    children = _children.get(key)
    if children is None:
        children = (_requests.labels(method, route, str(status)), _seconds.labels(route))
        _children[key] = children
    children[0].inc()
    children[1].observe(seconds)


def exposition(depths: Sequence[Depth] = ()) -> bytes:
    """Everything in the Prometheus text format, over all processes of this server when there are several."""
    queue = CollectorRegistry()
    queue.register(_Queue(depths))
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder is None or not Path(folder).is_dir():
        return generate_latest(REGISTRY) + generate_latest(queue)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry) + generate_latest(queue)


class _Queue:
    """What the database says of the queue at this moment."""

    def __init__(self, depths: Iterable[Depth]) -> None:
        self._depths = depths

    def collect(self) -> Iterator[GaugeMetricFamily]:
        jobs = GaugeMetricFamily("reevit_jobs", "Jobs that are due or under way.", labels=["job"])
        oldest = GaugeMetricFamily(
            "reevit_oldest_job_seconds", "How long the oldest of them has been due.", labels=["job"]
        )
        for depth in self._depths:
            jobs.add_metric([depth.name], depth.jobs)
            oldest.add_metric([depth.name], depth.oldest_seconds)
        yield jobs
        yield oldest
