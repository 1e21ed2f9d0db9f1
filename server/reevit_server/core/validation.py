"""What a request or a row means, as a model of ours; and if it is none, every fault of it in our words."""

from typing import Any, TypeVar

import pydantic

from reevit_server.core.errors import ValidationError

_Model = TypeVar("_Model", bound=pydantic.BaseModel)
_RENAMED_CODES = {"missing": "required", "extra_forbidden": "unknown_field"}


def validated(model: type[_Model], value: Any) -> _Model:
    """`value` as a `model`. Raises ValidationError that names every fault."""
    try:
        return model.model_validate(value)
    except pydantic.ValidationError as error:
        raise invalid(error) from None


def invalid(error: pydantic.ValidationError) -> ValidationError:
    """A pydantic complaint in our words: every field that needs a change, and the first one as the message."""
    fields = []
    for fault in error.errors(include_url=False, include_input=False):
        code = _RENAMED_CODES.get(fault["type"], fault["type"])
        message = fault["msg"].removeprefix("Value error, ").rstrip(".")
        if fault["type"] in ("model_type", "dict_type"):
            message = "Write a JSON object"
        if code == "unknown_field":
            message = "There is no such field; check its spelling"
        elif code == "required":
            message = "This field is required"
        fields.append(
            {"field": ".".join(str(part) for part in fault["loc"]), "code": code, "message": message}
        )
    first = fields[0]
    named = f"`{first['field']}`: {first['message']}." if first["field"] else f"{first['message']}."
    more = f" ({len(fields) - 1} more in details.fields.)" if len(fields) > 1 else ""
    return ValidationError(named + more, fields=fields)
