"""Figures of deliveries for Prometheus."""

from prometheus_client import Counter, Histogram

from reevit_server.core.egress import Reply

_attempts = Counter(
    "reevit_webhook_attempts_total",
    "Attempts at deliveries, by outcome: delivered, or why not.",
    ["outcome"],
)
_seconds = Histogram(
    "reevit_webhook_attempt_seconds",
    "Time from sending a delivery to its answer, or to giving up.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 20),
)


def observe(reply: Reply) -> None:
    """Counts one attempt."""
    _attempts.labels(reply.error or "delivered").inc()
    _seconds.observe(reply.latency_ms / 1000)
