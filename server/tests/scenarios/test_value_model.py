"""Any row of requests, however odd, leaves the registry as a plain model of it says: figures, events, privacy."""

import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from tests.makers import created, ok, refused
from tests.scenarios.model import OUTCOMES, SCENARIOS, Customer, Payment, changed, merged, same
from tests.scenarios.value_machine import (
    CURRENCIES,
    EXTERNAL_IDS,
    HOW,
    WHICH,
    Machine,
    World,
    external,
    identified,
)

# REEVIT_TEST_EXAMPLES=2000 searches for an hour what a test run samples in seconds.
EXAMPLES = int(os.environ.get("REEVIT_TEST_EXAMPLES", "40"))

METADATA = st.dictionaries(
    st.sampled_from(["plan", "seats"]), st.sampled_from(["pro", 1, 0, 2.5, True, False, ""])
)
# What an update says of each field: nothing, null, what is stored, or something new.
SAYS = st.sampled_from(["nothing", "nothing", "null", "same", "new"])
PROFILE = st.fixed_dictionaries({"email": SAYS, "phone": SAYS, "name": SAYS})
LISTS = st.fixed_dictionaries(
    {},
    optional={
        "tags": st.none() | st.lists(st.sampled_from(["vip", "été", "a/b"]), max_size=3),
        "metadata": st.none() | METADATA,
    },
)
EXTERNAL = st.sampled_from(EXTERNAL_IDS)
WHO = st.tuples(st.sampled_from(["guest", "id", "external", "details", "details"]), WHICH)
MONEY = st.tuples(st.sampled_from([1, 500, 15000, 10**12 - 1]), st.sampled_from(CURRENCIES))
METHOD = st.sampled_from(["card", "mobile_money", None])
SCENARIO = st.sampled_from([None, None, *SCENARIOS])

UNKNOWN = object()


class ValueMachine(Machine):
    # Customers

    @rule(how=HOW, external_id=st.none() | EXTERNAL, says=PROFILE, lists=LISTS)
    def create_customer(self, how, external_id, says, lists):
        given = {**self.given(None, says), **lists, "external_id": external_id}
        response = self.send(how, "POST", "/customers", given)
        if not identified(given):
            refused(response, 400, "validation_error")
        elif external_id is not None and (taken := self.model.by_external_id(external_id)):
            assert refused(response, 409, "external_id_taken")["details"] == {"customer_id": taken.id}
        else:
            self.check_customer(self.model.add_customer(created(response)["id"], given))

    @rule(how=HOW, external_id=EXTERNAL, says=PROFILE, lists=LISTS)
    def upsert_customer(self, how, external_id, says, lists):
        stored = self.model.by_external_id(external_id)
        given = {**self.given(stored, says), **lists}
        response = self.send(how, "PUT", external(external_id), given)
        if stored is None:
            stored = self.model.add_customer(created(response)["id"], {**given, "external_id": external_id})
        else:
            assert ok(response)["id"] == stored.id
            self.model.change(stored, changed(stored.profile, given))
        self.check_customer(stored)

    @precondition(lambda self: self.model.customers)
    @rule(
        how=HOW, number=WHICH, says=PROFILE, lists=LISTS, external_id=st.none() | EXTERNAL,
        rekey=st.sampled_from([None, False, True]),
    )  # fmt: skip
    def update_customer(self, how, number, says, lists, external_id, rekey):
        """`rekey` None leaves the external_id alone."""
        customer = self.a_customer(number)
        given = {**self.given(customer, says), **lists}
        if rekey is not None:
            given["external_id"] = external_id
        sent = {**given, "rekey": True} if rekey else given
        response = self.send(how, "PATCH", f"/customers/{customer.id}", sent)
        self.expect_update(response, customer, given, rekey=bool(rekey))
        self.check_customer(customer)

    def expect_update(self, response, customer, given, *, rekey):
        if customer.deleted:
            refused(response, 404, "customer_deleted")
            return
        after = changed(customer.profile, given)
        moved = after["external_id"] != customer.profile["external_id"]
        if moved and customer.profile["external_id"] is not None and not rekey:
            refused(response, 409, "external_id_fixed")
        elif not identified(after):
            refused(response, 422, "identity_required")
        elif moved and after["external_id"] and (taken := self.model.by_external_id(after["external_id"])):
            assert refused(response, 409, "external_id_taken")["details"] == {"customer_id": taken.id}
        else:
            ok(response)
            self.model.change(customer, after)

    @precondition(lambda self: self.model.customers)
    @rule(how=HOW, number=WHICH, tag=st.sampled_from(["vip", "été", "a/b"]), add=st.booleans())
    def change_tags(self, how, number, tag, add):
        customer = self.a_customer(number)
        path = f"/customers/{customer.id}/tags"
        if add:
            response = self.send(how, "POST", path, {"tags": [tag]})
            tags = [*customer.profile["tags"], tag]
        else:
            response = self.send(how, "DELETE", f"{path}/{tag.replace('/', '%2F')}")
            tags = [kept for kept in customer.profile["tags"] if kept != tag]
        if customer.deleted:
            refused(response, 404, "customer_deleted")
        else:
            assert ok(response)["tags"] == list(dict.fromkeys(tags))
            self.model.change(customer, changed(customer.profile, {"tags": tags}))
        self.check_customer(customer)

    @precondition(lambda self: self.model.customers)
    @rule(how=HOW, number=WHICH)
    def delete_customer(self, how, number):
        customer = self.a_customer(number)
        response = self.send(how, "DELETE", f"/customers/{customer.id}")
        if customer.deleted:
            refused(response, 404, "customer_deleted")
        else:
            assert response.status_code == 204
            self.model.delete(customer)
        self.check_customer(customer)

    # Payments

    @rule(how=HOW, who=WHO, money=MONEY, method=METHOD, scenario=SCENARIO)
    def pay(self, how, who, money, method, scenario):
        body, payer = self.body_of_payment(who, money, method, scenario)
        response = self.send(how, "POST", "/payments", body)
        self.expect_payment(response, payer, body, SCENARIOS[scenario], at=self.world.now)

    @rule(how=HOW, who=WHO, money=MONEY, method=METHOD, ago=st.sampled_from([0, 1, 90_000, 10**9]))
    def record_outside_payment(self, how, who, money, method, ago):
        body, payer = self.body_of_payment(who, money, method, None)
        at = self.world.now.replace(microsecond=0) - timedelta(seconds=ago)
        body |= {"provider": "external", "occurred_at": at.isoformat()}
        response = self.send(how, "POST", "/payments", body)
        self.expect_payment(response, payer, body, "succeeded", at=at)

    @rule(how=HOW, who=WHO, money=MONEY, method=METHOD, scenario=SCENARIO)
    def create_intent(self, how, who, money, method, scenario):
        body, payer = self.body_of_payment(who, money, method, scenario)
        response = self.send(how, "POST", "/payments/intents", body)
        self.expect_payment(response, payer, body, None, at=self.world.now)

    @precondition(lambda self: self.model.payments)
    @rule(
        how=HOW,
        number=WHICH,
        who=WHO,
        money=st.none() | MONEY,
        metadata=st.none() | METADATA,
        scenario=SCENARIO,
    )
    def update_intent(self, how, number, who, money, metadata, scenario):
        payment = self.a_payment(number)
        named, payer = self.named(*who)
        body: dict[str, Any] = dict(named)
        if money is not None:
            body["amount"], body["currency"] = money
        if metadata is not None:
            body["metadata"] = {**metadata, "sandbox": scenario or ""}
        response = self.send(how, "PATCH", f"/payments/intents/{payment.id}", body)
        if payment.status not in ("pending", "failed"):
            refused(response, 422, "wrong_payment_state")
        elif payer is UNKNOWN:
            refused(response, 422, "customer_not_found")
        else:
            before = payment.terms()
            shown = ok(response)
            if named:
                payment.customer = self.payer(payer, shown)
            payment.amount = body.get("amount", payment.amount)
            payment.currency = body.get("currency", payment.currency)
            payment.metadata = merged(payment.metadata, body.get("metadata", {}))
            if not same(payment.terms(), before):
                self.model.events["payment.updated", payment.id] += 1
        self.check_payment(payment)

    @precondition(lambda self: self.model.payments)
    @rule(
        how=HOW,
        number=WHICH,
        deed=st.sampled_from(["confirm", "confirm-intent", "wrong secret", "retry", "cancel"]),
    )
    def move_on(self, how, number, deed):
        payment = self.a_payment(number)
        address = f"/payments/{payment.id}/{deed}"
        if deed in ("confirm-intent", "wrong secret"):
            secret = payment.client_secret if deed == "confirm-intent" else None
            address = f"/payments/{payment.id}/confirm-intent?client_secret={secret or 'guess'}"
            if secret is None:
                refused(self.send(how, "POST", address), 403, "client_secret_wrong")
                self.check_payment(payment)
                return
        response = self.send(how, "POST", address)
        allowed = {"retry": ("failed",), "cancel": ("pending", "requires_action")}.get(deed, ("pending",))
        outcome = "canceled" if deed == "cancel" else SCENARIOS[payment.metadata.get("sandbox")]
        self.expect_outcome(response, payment, allowed, outcome)

    @precondition(lambda self: self.model.payments)
    @rule(how=HOW, number=WHICH, outcome=st.sampled_from([*OUTCOMES]))
    def complete(self, how, number, outcome):
        payment = self.a_payment(number)
        response = self.send(how, "POST", f"/sandbox/payments/{payment.id}/complete", {"outcome": outcome})
        self.expect_outcome(response, payment, ("requires_action", "processing"), OUTCOMES[outcome])

    @precondition(lambda self: self.model.payments)
    @rule(how=HOW, number=WHICH, percent=st.sampled_from([None, 1, 60, 100, 101]))
    def refund(self, how, number, percent):
        payment = self.a_payment(number)
        left = payment.amount - payment.refunded
        amount = None if percent is None else max(1, payment.amount * percent // 100)
        response = self.send(how, "POST", f"/payments/{payment.id}/refund", amount and {"amount": amount})
        if amount is not None and amount > 10**12 - 1:
            refused(response, 400, "validation_error")
        elif payment.status not in ("succeeded", "partially_refunded"):
            refused(response, 422, "wrong_payment_state")
        elif amount is not None and amount > left:
            assert refused(response, 422, "refund_too_large")["details"] == {"refundable": left}
        else:
            assert created(response)["amount"] == (amount or left)
            self.model.refund(payment, amount or left)
        self.check_payment(payment)

    # Repetition

    @precondition(lambda self: self.model.kept)
    @rule(number=WHICH)
    def repeat_a_request(self, number):
        kept = self.model.kept[-1 - number % len(self.model.kept)]
        response = self.request(kept.method, kept.path, kept.body, {"Idempotency-Key": kept.key})
        about = self.model.customer(kept.about)
        if kept.status in (400, 403):
            assert response.status_code == kept.status
            assert "idempotent-replayed" not in response.headers
        elif about is not None and about.deleted:
            refused(response, 410, "idempotent_answer_erased")
        else:
            assert (response.status_code, response.content) == (kept.status, kept.answer)
            assert response.headers["idempotent-replayed"] == "true"

    @precondition(lambda self: any(kept.status not in (400, 403) for kept in self.model.kept))
    @rule(number=WHICH)
    def reuse_a_key(self, number):
        used = [kept for kept in self.model.kept if kept.status not in (400, 403)]
        kept = used[-1 - number % len(used)]
        response = self.request(
            "POST", "/customers", {"name": self.fresh("name")}, {"Idempotency-Key": kept.key}
        )
        refused(response, 422, "idempotency_key_reused")

    # What the rules have in common

    def given(self, stored: Customer | None, says: dict[str, str]) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for field, word in says.items():
            if word == "new":
                fields[field] = self.fresh(field)
            elif word != "nothing":
                fields[field] = stored.profile[field] if stored is not None and word == "same" else None
        return fields

    def named(self, who: str, number: int) -> tuple[dict[str, Any], Any]:
        """The part of a body that names a customer, and whom it means: one, nobody, somebody new or UNKNOWN."""
        external_id = EXTERNAL_IDS[number % len(EXTERNAL_IDS)]
        known = self.model.by_external_id(external_id)
        if who == "external":
            return {"external_customer_id": external_id}, known or UNKNOWN
        if who == "details":
            details = {"external_id": external_id if number % 2 else None, "name": self.fresh("name")}
            return {"customer": details}, known if number % 2 and known else details
        if who == "id" and self.model.customers:
            customer = self.a_customer(number)
            return {"customer_id": customer.id}, UNKNOWN if customer.deleted else customer
        return {}, None

    def payer(self, expected: Any, shown: dict[str, Any]) -> Customer | None:
        """The model's customer of a payment that was stored; details that met nobody made a new one."""
        if isinstance(expected, dict):
            return self.model.add_customer(shown["customer_id"], expected)
        assert shown["customer_id"] == (expected and expected.id)
        return expected

    def body_of_payment(self, who, money, method, scenario) -> tuple[dict[str, Any], Any]:
        named, payer = self.named(*who)
        amount, currency = money
        body = {**named, "amount": amount, "currency": currency, "method": method}
        return (body if scenario is None else {**body, "metadata": {"sandbox": scenario}}), payer

    def expect_payment(self, response, payer, body, outcome, *, at) -> None:
        """`outcome` None: created to be confirmed later."""
        if payer is UNKNOWN:
            refused(response, 422, "customer_not_found")
            return
        shown = created(response)
        payment = Payment(
            shown["id"], self.payer(payer, shown), body["amount"], body["currency"], body["method"],
            body.get("metadata", {}), "pending", shown["client_secret"],
        )  # fmt: skip
        self.model.add_payment(payment)
        if outcome is not None:
            self.model.settle(payment, outcome, at=at)
        self.check_payment(payment)

    def expect_outcome(self, response, payment, allowed, outcome) -> None:
        if payment.status in allowed:
            assert ok(response)["status"] == outcome
            self.model.settle(payment, outcome, at=self.world.now)
        else:
            assert refused(response, 422, "wrong_payment_state")["details"] == {"status": payment.status}
        self.check_payment(payment)


@pytest.fixture
def world(dsn: str) -> Iterator[World]:
    with World.on(dsn) as world:
        yield world


def test_the_registry_always_agrees_with_the_model(world: World):
    in_ci = "CI" in os.environ
    run_state_machine_as_test(
        lambda: ValueMachine(world),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=40,
            derandomize=in_ci,
            print_blob=True,
            **({"database": None} if in_ci else {}),
        ),
    )
