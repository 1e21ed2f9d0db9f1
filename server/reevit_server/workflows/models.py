"""Pure rules of workflows: what a template may speak of, and how long a message is."""

from collections.abc import Mapping

from reevit_server.core.liquid import ANY, Vocabulary

_MONEY: Vocabulary = {"id": None, "amount": None, "currency": None, "status": None, "metadata": ANY}
_FAILURE: Vocabulary = {"failure_code": None, "failure_message": None}

# An object that an event is not about has nothing in its fields: a template may serve several kinds of events.
VOCABULARY: Vocabulary = {
    "customer": dict.fromkeys(("id", "external_id", "email", "phone", "name", "tags")),
    "payment": {
        **_MONEY,
        **_FAILURE,
        **dict.fromkeys(
            (
                "amount_refunded",
                "method",
                "reference",
                "description",
                "occurred_at",
                "succeeded_at",
                "created_at",
            )
        ),
    },
    "subscription": {
        **_MONEY,
        **dict.fromkeys(
            ("plan_id", "interval", "interval_count", "current_period_start", "current_period_end")
        ),
        **dict.fromkeys(("next_renewal_at", "trial_end_at", "canceled_at")),
    },
    "invoice": {
        **_MONEY,
        **_FAILURE,
        **dict.fromkeys(("number", "description", "period_start", "period_end", "due_at", "paid_at")),
        **dict.fromkeys(("retry_count", "next_retry_at")),
    },
    "webhook_endpoint": dict.fromkeys(("id", "url", "disabled_reason")),
    "organization": dict.fromkeys(("name", "address")),
    "event": dict.fromkeys(("id", "type", "created_at")),
    # Where who gets this says that there is to be no more of its kind. Nothing, where nobody could: in a chat.
    "unsubscribe_url": None,
}
RULES_MAX = 100  # of an organization and mode
FOLLOWING_MAX = 200  # executions that one event sets off, with all that follows from what these change
CHAIN_MAX = 5  # workflows that set each other off, one after the other
# A receipt for what was paid longer ago, and is only recorded now, would be news to nobody.
NOTICE_DAYS_MAX = 3
NOTICES = {
    "receipt_email": ("Receipt by e-mail", ("payment.succeeded",)),
    "receipt_sms": ("Receipt by SMS", ("payment.succeeded",)),
    "payment_failed": ("Payment failed", ("payment.failed", "invoice.failed")),
    "renewal_upcoming": ("Renewal upcoming", ("subscription.renewal_upcoming",)),
}


def subject_of(type: str) -> str:
    """What an event of this type is about: `payment` of `payment.succeeded`."""
    return type.partition(".")[0]


def is_about_a_customer(trigger: str) -> bool:
    """Whether an event of this type may have somebody to write to, who is still there."""
    return subject_of(trigger) != "webhook_endpoint" and trigger != "customer.deleted"


def vocabulary_of(trigger: str) -> Vocabulary:
    """What a text that is written for events of one type alone may name."""
    about = (subject_of(trigger), "customer", "organization", "event", "unsubscribe_url")
    return {name: fields for name, fields in VOCABULARY.items() if name in about}


def named(data: Mapping[str, object], name: str) -> dict[str, object]:
    """The fields of an object that a template may name; those that it has not are there, and nothing."""
    return {field: data.get(field) for field in VOCABULARY[name] or ()}
