"""Figures of messages for Prometheus."""

from prometheus_client import Counter, Histogram

from reevit_server.providers.sending import Sent

_attempts = Counter(
    "reevit_message_attempts_total",
    "Attempts to send a message, by outcome: sent, later (it may yet get through) or never.",
    ["outcome"],
)
_seconds = Histogram(
    "reevit_message_attempt_seconds",
    "Time from sending a message to its sender's answer, or to giving up.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30),
)


def observe(sent: Sent) -> None:
    """Counts one attempt."""
    _attempts.labels(sent.outcome).inc()
    _seconds.observe(sent.latency_ms / 1000)
