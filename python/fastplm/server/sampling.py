"""What a request asks generation to do, in generate()'s terms."""

from typing import Any, NamedTuple

from fastplm.generation.constraints import Constraint
from fastplm.server.body import Fields, wrong
from fastplm.server.errors import ApiError


class Wanted(NamedTuple):
    """settings: of Generator.submit. choices: how many completions of a prompt. stop: strings that end one,
    and are left out.
    """

    settings: dict[str, Any]
    max_tokens: int | None
    seed: int | None
    choices: int
    stop: list[str]
    stream: bool
    usage: bool  # at the end of a stream


def wanted(fields: Fields, most_tokens: int) -> Wanted:
    """The settings that completions and chats share. Raises ApiError."""
    temperature = fields.number("temperature", 0, 2, 1.0)
    settings: dict[str, Any] = {
        "presence_penalty": fields.number("presence_penalty", -2, 2, 0.0),
        "frequency_penalty": fields.number("frequency_penalty", -2, 2, 0.0),
        "repetition_penalty": fields.number("repetition_penalty", 0.01, 100, 1.0),
        "do_sample": temperature > 0,
        "min_new_tokens": fields.whole("min_tokens", 0, most_tokens),
    }
    sampling = {
        "temperature": temperature,
        "top_p": fields.number("top_p", 0, 1, 1.0),
        "min_p": fields.number("min_p", 0, 1, 0.0),
        "top_k": fields.whole("top_k", -1, 1 << 30),
    }
    if temperature > 0:
        sampling["top_k"] = max(0, int(sampling["top_k"] or 0))  # -1 and 0: all
        settings |= sampling
    bias = fields.take("logit_bias")
    if bias is not None:
        settings["sequence_bias"] = _biases(bias)
    form = _constraint(fields)
    if form is not None:
        settings["constraint"] = form
    return Wanted(
        settings=settings,
        max_tokens=_most(fields, most_tokens),
        seed=fields.whole("seed", -(1 << 63), (1 << 63) - 1),
        choices=fields.whole("n", 1, 128) or 1,
        stop=_stop(fields.take("stop")),
        stream=fields.flag("stream"),
        usage=_usage(fields),
    )


def _most(fields: Fields, most: int) -> int | None:
    older, newer = fields.whole("max_tokens", 1, most), fields.whole("max_completion_tokens", 1, most)
    return older if newer is None else newer


def _usage(fields: Fields) -> bool:
    options = fields.take("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict) or not options.keys() <= {"include_usage", "include_obfuscation"}:
        raise wrong("stream_options", options, '{"include_usage": true or false}')
    return bool(options.get("include_usage"))


def _stop(value: Any) -> list[str]:
    strings = [] if value is None else [value] if isinstance(value, str) else value
    if (
        not isinstance(strings, list)
        or len(strings) > 16
        or not all(isinstance(s, str) and s for s in strings)
    ):
        raise wrong("stop", value, "a string or up to 16 strings, none of them empty")
    return strings


def _biases(value: Any) -> dict[tuple[int], float]:
    if not isinstance(value, dict):
        raise wrong("logit_bias", value, "an object of biases by token id")
    biases = {}
    for token, bias in value.items():
        if not token.isdecimal() or isinstance(bias, bool) or not isinstance(bias, int | float):
            raise wrong("logit_bias", {token: bias}, "an object of biases by token id")
        if not -100 <= bias <= 100:
            raise wrong("logit_bias", bias, "biases from -100 to 100")
        biases[(int(token),)] = float(bias)
    if not biases:
        raise wrong("logit_bias", value, "at least one token, or null")
    return biases


def _constraint(fields: Fields) -> Constraint | None:
    form = fields.take("response_format")
    if form is None or form == {"type": "text"}:
        return None
    kind = form.get("type") if isinstance(form, dict) else None
    try:
        if kind == "json_object":
            return Constraint.json_schema({"type": "object"})
        if kind == "json_schema" and isinstance(form.get("json_schema"), dict):
            return Constraint.json_schema(form["json_schema"].get("schema", {}))
    except (ValueError, TypeError) as error:
        raise ApiError(400, f"response_format: {error}", "response_format") from None
    except ModuleNotFoundError as error:  # the server's lack, not the client's fault
        raise ApiError(501, f"response_format: {error}", "response_format") from None
    raise wrong("response_format", form, '{"type": "text", "json_object" or "json_schema", ...}')
