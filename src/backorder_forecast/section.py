"""The base of every part of a configuration: frozen, and plain in what it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator

from .errors import ConfigError, did_you_mean


class Section(BaseModel):
    """A part of the tree; refuses unknown keys in words a person can use."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=False)
    section: ClassVar[str] = ""

    @model_validator(mode="wrap")
    @classmethod
    def _speak_plainly(cls, value: Any, handler: ModelWrapValidatorHandler[Any]) -> Any:
        if isinstance(value, Mapping):
            refuse_unknown(value, cls.model_fields, cls.section)
        elif not isinstance(value, cls):
            raise ConfigError(
                f"{cls.section or 'the configuration'}: expected a table of keys, got {value!r}"
            )
        try:
            return handler(value)
        except ValidationError as error:
            raise ConfigError(_in_words(error, cls.section)) from None


def refuse_unknown(value: Mapping[Any, Any], known: Mapping[str, Any], where: str) -> None:
    """Raise ``ConfigError`` for the first key that is not known, naming the nearest one."""
    for key in value:
        if key not in known:
            path = f"{where}.{key}" if where else str(key)
            raise ConfigError(f"unknown key {path!r}{did_you_mean(str(key), known)}")


def _in_words(error: ValidationError, section: str) -> str:
    parts = []
    for problem in error.errors():
        path = ".".join([*([section] if section else []), *(str(step) for step in problem["loc"])])
        said = problem["msg"].removeprefix("Value error, ")
        parts.append(f"{path} = {problem['input']!r}: {said[:1].lower()}{said[1:]}")
    return "; ".join(parts)
