"""Chains of requests, each about what an earlier one made: what was made is there, what was deleted is gone."""

from typing import Any

import requests
from hypothesis import settings

from tests.openapi.fitting import fit
from tests.openapi.objects import Shop
from tests.openapi.test_schemathesis import EXAMPLES, schema

STEPS = 8
# Few operations, so that chains which make, delete and look again come up often.
CUSTOMERS = schema.include(path_regex=r"^/v1/customers(/\{customer_id\}.*)?$")


def test_what_was_made_is_there_and_what_was_deleted_is_gone(shop: Shop, connection: requests.Session):
    class Lifecycle(CUSTOMERS.as_state_machine()):
        def before_call(self, case: Any) -> None:
            fit(case, shop, with_objects=False)

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:  # noqa: ARG002 - the machine passes it
            return {"base_url": shop.url, "session": connection, "headers": {"X-Reevit-Key": shop.key}}

    Lifecycle.run(settings=settings(max_examples=EXAMPLES, stateful_step_count=STEPS, derandomize=True))
