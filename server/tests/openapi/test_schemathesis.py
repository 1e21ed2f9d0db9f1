"""Every operation, with valid and invalid data made from its own schema: what it answers is what is documented."""

import os
from typing import Any

import requests
import schemathesis
from schemathesis.config import SchemathesisConfig

from reevit_server.app import describe
from tests.openapi import formats
from tests.openapi.fitting import fit
from tests.openapi.objects import Shop

# More is better, and slower: a release is worth `REEVIT_TEST_EXAMPLES=500`.
EXAMPLES = int(os.environ.get("REEVIT_TEST_EXAMPLES", "20"))

formats.register()
schema = schemathesis.openapi.from_dict(
    describe(),
    config=SchemathesisConfig.from_dict(
        {
            "seed": 1,
            "generation": {
                "max-examples": EXAMPLES,
                "deterministic": True,
                "database": "none",
                "with-security-parameters": False,  # the shop's key goes with every request
            },
            "checks": {
                # What is well-formed is refused for two reasons only, both of them in what is stored: somebody has
                # that id or reference already (409), or a rule of business forbids it (422).
                "positive_data_acceptance": {"expected-statuses": ["2xx", "409", "422"]},
            },
            "phases": {
                # A chain of requests may come back to what it deleted, and may start at what is not there.
                "stateful": {
                    "checks": {
                        "positive_data_acceptance": {"expected-statuses": ["2xx", "404", "409", "422"]}
                    }
                },
            },
        }
    ),
)


# What is at two addresses is looked at under one.
@schema.exclude(operation_id_regex="_as_workflow$").parametrize()
def test_an_operation_answers_as_documented(case: Any, shop: Shop, connection: requests.Session):
    fit(case, shop)
    case.call_and_validate(base_url=shop.url, session=connection, headers={"X-Reevit-Key": shop.key})
