"""Where customers live: the address of one by its merchant's own id."""

from urllib.parse import quote


def by_external_id(external_id: str, below: str = "") -> str:
    """Percent-encoded throughout; dots too, which clients would otherwise take for steps in the path."""
    return f"/v1/customers/external/{quote(external_id, safe='').replace('.', '%2E')}{below}"
