"""What the API's objects are in Python: the JSON they came as, with typed attributes."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from pydantic import GetCoreSchemaHandler, TypeAdapter, ValidationError, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, core_schema
from typing_extensions import Self


class Model(dict[str, Any]):
    """One object of the API. It *is* the JSON that came, a dict, and its known fields are attributes too.

    ``customer.email`` and ``customer["email"]`` are the same. Attributes are typed: instants are aware datetimes and
    objects within objects have attributes of their own, where the dict keeps what was on the wire. A field that this
    version does not know is in the dict, and a value that it does not understand is handed on as it came: a newer
    server never breaks an older client. ``json.dumps(customer)`` gives back the JSON.
    """

    if not TYPE_CHECKING:  # or every misspelt attribute would pass a type checker

        def __getattr__(self, name: str) -> Any:
            if name not in self:
                return self._absent(name)
            value = self[name]
            if value is None or name not in (richer := _richer(type(self))):
                return value
            return self._enriched(name, value, richer[name])

        def __setattr__(self, name: str, value: Any) -> None:
            self[name] = value  # in the instance it would hide what the dict says

    def _absent(self, name: str) -> None:
        """None for a field that the server left out and that may be null; else there is no such attribute."""
        if type(None) in get_args(_hints(type(self)).get(name)):
            return
        raise AttributeError(f"This {type(self).__name__} has no {name!r}. It has: {', '.join(self)}.")

    def _enriched(self, name: str, value: Any, adapter: TypeAdapter[Any]) -> Any:
        """Objects within take the place of their JSON, as which they are the same: whoever changes one, or asks
        twice, has the one that is there.
        """
        if all(isinstance(part, Model) for part in (value if isinstance(value, list) else [value])):
            return value
        try:
            found = adapter.validate_python(value)
        except ValidationError:
            return value
        if not isinstance(found, datetime):
            self[name] = found
        return found

    def __repr__(self) -> str:
        return f"{type(self).__name__}({super().__repr__()})"

    def copy(self) -> Self:
        return type(self)(self)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """So that models can be fields of other people's pydantic models, and answers of their web frameworks."""

        def taken(given: Any, as_json: ValidatorFunctionWrapHandler) -> Model:
            return given if isinstance(given, cls) else cls(as_json(given))

        as_json = core_schema.dict_schema(core_schema.str_schema(), core_schema.any_schema())
        return core_schema.no_info_wrap_validator_function(taken, as_json)


def instant_of(told: Any) -> Any:
    """An aware datetime of its text; what is none, as it came."""
    try:
        return _instants().validate_python(told) if isinstance(told, str) else told
    except ValidationError:
        return told


@cache
def _instants() -> TypeAdapter[datetime]:
    return TypeAdapter(datetime)


@cache
def _hints(model: type[Model]) -> dict[str, Any]:
    return get_type_hints(model)


@cache
def _richer(model: type[Model]) -> dict[str, TypeAdapter[Any]]:
    """The fields whose attribute is more than the JSON."""
    return {name: TypeAdapter(hint) for name, hint in _hints(model).items() if _is_richer(hint)}


def _is_richer(hint: Any) -> bool:
    if isinstance(hint, type) and not get_args(hint):
        return issubclass(hint, datetime | Model)
    return any(_is_richer(part) for part in get_args(hint))
