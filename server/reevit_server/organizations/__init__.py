"""Organizations: the merchants of this installation, each with a world of its own."""

from reevit_server.organizations.actions import create, every, get, get_seller, update, update_seller
from reevit_server.organizations.errors import OrganizationNotFound
from reevit_server.organizations.models import Seller
from reevit_server.organizations.schemas import SellerPatch

__all__ = [
    "OrganizationNotFound",
    "Seller",
    "SellerPatch",
    "create",
    "every",
    "get",
    "get_seller",
    "update",
    "update_seller",
]
