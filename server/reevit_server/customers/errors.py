"""What can go wrong with a customer."""

from reevit_server.core.errors import Conflict, NotFound, Unprocessable


class CustomerNotFound(NotFound):
    """There is no such customer in this organization and mode."""

    code = "customer_not_found"


class CustomerDeleted(NotFound):
    """This customer was deleted: its personal data is gone, its payments stay."""

    code = "customer_deleted"


class UnknownCustomer(Unprocessable):
    """The customer named in the request does not exist; nothing was stored."""

    code = "customer_not_found"


class ExternalIdTaken(Conflict):
    """Another customer has this external_id; `details.customer_id` names it. Use PUT to create or update."""

    code = "external_id_taken"


class ExternalIdFixed(Conflict):
    """This customer's external_id is set already; to change it, send `"rekey": true` with the new one."""

    code = "external_id_fixed"


class IdentityRequired(Unprocessable):
    """A customer needs at least one of external_id, email, phone and name; clear the others, but not the last."""

    code = "identity_required"


class TooManyTags(Unprocessable):
    """A customer has at most 50 tags; remove some first."""

    code = "too_many_tags"
