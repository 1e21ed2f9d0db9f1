"""Analytics: what is read out of customers and payments. It writes nothing."""

from reevit_server.analytics.verification import Drift, verify

__all__ = ["Drift", "verify"]
