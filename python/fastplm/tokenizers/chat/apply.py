"""Conversations as the text and the ids a model was trained on."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from fastplm import _engine
from fastplm.tokenizers.base.shape import Shape
from fastplm.tokenizers.chat.control import Marker, control_tokens, encode_marked
from fastplm.tokenizers.chat.render import Rendered, literals, plain, render
from fastplm.tokenizers.methods.calling import Options, encode, engine_arguments, resolve
from fastplm.tokenizers.methods.padding import pad
from fastplm.tokenizers.methods.state import State
from fastplm.tokenizers.methods.vocabulary import added_by_id, added_ids, known_id, named_tokens
from fastplm.tokenizers.result.batch_encoding import BatchEncoding
from fastplm.tokenizers.result.encoding import NO_PADDING

_REASONING = ("reasoning_content", "thinking", "reasoning")  # the first is the usual name
_WHOLE = Shape("do_not_pad", "do_not_truncate", None)
_TAG = "CONTINUE_FINAL_MESSAGE_TAG "


def apply_chat_template(
    tokenizer: State,
    conversation: Any,
    tools: Sequence[dict[str, Any] | Callable[..., Any]] | None,
    documents: Sequence[dict[str, str]] | None,
    chat_template: str | None,
    *,
    add_generation_prompt: bool,
    continue_final_message: bool | str,
    tokenize: bool,
    sanitize_control_tokens: bool,
    padding: bool | str,
    truncation: bool | str | None,
    max_length: int | None,
    return_tensors: str | None,
    return_dict: bool,
    return_assistant_tokens_mask: bool,
    tokenizer_kwargs: Mapping[str, Any] | None,
    variables: Mapping[str, Any],
) -> Any:
    """variables: more of the template's."""
    return_dict = return_dict and tokenize
    if return_assistant_tokens_mask and not return_dict:
        raise ValueError("return_assistant_tokens_mask: expected tokenize and return_dict to be True")
    if continue_final_message and (add_generation_prompt or return_assistant_tokens_mask):
        raise ValueError("continue_final_message: expected neither a generation prompt nor a mask with it")
    if sanitize_control_tokens and (return_assistant_tokens_mask or not tokenize):
        raise ValueError("sanitize_control_tokens: expected tokenize=True and no assistant tokens mask")
    template = chosen_template(tokenizer, chat_template, tools)
    batched, conversations = _as_conversations(conversation)
    values: dict[str, Any] = {
        **named_tokens(tokenizer),
        **plain(variables),
        "tools": None if tools is None else plain([_schema(tool) for tool in tools]),
        "documents": _documents(documents),
        "add_generation_prompt": add_generation_prompt,
    }
    marker = _marker(tokenizer, template) if sanitize_control_tokens else None
    if marker:
        conversations = marker.mark(conversations)
        values.update({key: marker.mark(values[key]) for key in (*variables, "tools", "documents")})
    chats = [
        _render(template, messages, values, continue_final_message, return_assistant_tokens_mask)
        for messages in conversations
    ]
    texts: Any = [chat.text for chat in chats] if batched else chats[0].text
    if not tokenize:
        return texts
    options: dict[str, Any] = {
        "padding": padding, "max_length": max_length, "return_tensors": return_tensors,
        **(tokenizer_kwargs or {}),
    }  # fmt: skip
    if marker:
        rows = _encode_marked(tokenizer, [chat.text for chat in chats], marker.marked, truncation, max_length)
        batch = _padded(tokenizer, rows if batched or return_tensors else rows[0], options)
    else:
        call = Options(truncation=truncation, add_special_tokens=False, **options)
        batch = encode(tokenizer, texts, None, call)
    if not return_dict:
        return batch["input_ids"]
    if return_assistant_tokens_mask:
        masks: Any = [_mask(row, chat) for row, chat in zip(batch.encodings or (), chats, strict=True)]
        if return_tensors is None:
            batch["assistant_masks"] = masks if batched else masks[0]
        else:
            import numpy as np

            array = np.array(masks, np.int64)
            if return_tensors == "pt":
                import torch

                batch["assistant_masks"] = torch.from_numpy(array)
            else:
                batch["assistant_masks"] = array
    return batch


def _marker(tokenizer: State, template: str) -> Marker:
    tokens = control_tokens(
        added_by_id(tokenizer).values(), tokenizer.chat_control_tokens, literals(template)
    )
    ids = {known_id(tokenizer, token.content) for token in tokens if token.normalized}
    arguments = engine_arguments(tokenizer, _WHOLE, False)

    def normalized(text: str) -> list[tuple[int, int]]:
        batch = tokenizer._engine.encode([text], None, align=True, **arguments)
        rows = (batch.row(0, name, *NO_PADDING) for name in ("input_ids", "offset_mapping"))
        return [span for token_id, span in zip(*rows, strict=True) if token_id in ids]

    return Marker(tokens, normalized)


def _encode_marked(
    tokenizer: State,
    texts: list[str],
    marked: set[str],
    truncation: bool | str | None,
    max_length: int | None,
) -> list[list[int]]:
    plain_engine = replace(tokenizer._source, added_tokens=()).build(like=tokenizer._engine)
    arguments = engine_arguments(tokenizer, _WHOLE, False)

    def encode(engine: _engine.Tokenizer, parts: list[str]) -> list[list[int]]:
        batch = engine.encode(parts, None, align=False, **arguments)
        return batch.lists("input_ids", *NO_PADDING)

    encoders = (partial(encode, engine) for engine in (tokenizer._engine, plain_engine))
    rows = encode_marked(texts, marked, added_ids(tokenizer), *encoders)
    _, cut, limit, _ = resolve(tokenizer, False, truncation, max_length, 0, None, None, False)[0]
    if cut == "do_not_truncate" or limit is None:
        return rows
    return [
        row[:limit] if tokenizer.truncation_side == "right" else row[max(len(row) - limit, 0) :]
        for row in rows
    ]


def _padded(tokenizer: State, rows: Any, options: Mapping[str, Any]) -> BatchEncoding:
    """The batch of rows that are finished, with those of a call's options that are left to do."""
    known = ("padding", "max_length", "pad_to_multiple_of", "padding_side", "return_attention_mask",
             "return_tensors", "verbose")  # fmt: skip
    return pad(tokenizer, {"input_ids": rows}, **{name: options[name] for name in known if name in options})


def chosen_template(tokenizer: State, chat_template: str | None, tools: Any) -> str:
    """The template that `chat_template` names or is; by default the tokenizer's own. ValueError: none."""
    own = tokenizer.chat_template
    if isinstance(own, Mapping):
        if chat_template is not None:
            return own.get(chat_template, chat_template)
        name = "tool_use" if tools is not None and "tool_use" in own else "default"
        if name not in own:
            raise ValueError(f"chat_template: expected the name of one: {', '.join(sorted(own))}")
        return own[name]
    if chat_template is not None:
        return chat_template
    if own is None:
        raise ValueError(
            "the tokenizer has no chat template; expected chat_template= or tokenizer.chat_template"
        )
    return own


def _as_conversations(conversation: Any) -> tuple[bool, list[list[dict[str, Any]]]]:
    """Whether several came, and each as plain messages without the fields that are None."""
    conversation = getattr(conversation, "messages", conversation)
    if not isinstance(conversation, (list, tuple)):
        raise TypeError(f"conversation is a {type(conversation).__name__}; expected a list of messages")
    if not conversation:
        raise ValueError("conversation is empty; expected at least one message")
    batched = isinstance(conversation[0], (list, tuple)) or hasattr(conversation[0], "messages")
    result = []
    for messages in conversation if batched else [conversation]:
        made = plain(getattr(messages, "messages", messages))
        for message in made:
            if not isinstance(message, dict):
                raise TypeError(f"a message is {message!r}; expected a dict with role and content")
        result.append([{k: v for k, v in message.items() if v is not None} for message in made])
    return batched, result


def _schema(tool: Any) -> dict[str, Any]:
    if isinstance(tool, dict):
        return tool
    if not (inspect.isfunction(tool) or inspect.ismethod(tool)):
        raise ValueError(f"a tool is a {type(tool).__name__}; expected a JSON schema or a function")
    try:
        from transformers.utils.chat_template_utils import get_json_schema
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "a tool is a function; its schema needs transformers: pip install transformers"
        ) from None
    schema: dict[str, Any] = get_json_schema(tool)
    return schema


def _documents(documents: Any) -> Any:
    for document in documents or ():
        if not isinstance(document, dict):
            raise TypeError(f"a document is a {type(document).__name__}; expected a dict of title and text")
    return plain(documents)


def _render(
    template: str,
    messages: list[dict[str, Any]],
    values: dict[str, Any],
    continued: bool | str,
    spans: bool,
) -> Rendered:
    aliased = []
    for message in messages:
        reasoning = next((message[name] for name in _REASONING if name in message), None)
        if reasoning is not None:
            message = {"thinking": reasoning, **message, "reasoning_content": reasoning}
        aliased.append(message)
    if not continued:
        return render(template, {"messages": aliased, **values}, spans=spans)
    final = _tag_end(template, aliased, continued if isinstance(continued, str) else "content")
    text = render(template, {"messages": aliased, **values}).text
    if final.strip() not in text or _TAG.strip() not in text:
        raise ValueError("continue_final_message: the template leaves out or changes the final message")
    end = text.rindex(_TAG.strip())
    kept = text[end : end + len(_TAG)] == _TAG  # else the template trims messages
    return Rendered(text[:end] if kept else text[:end].rstrip(), [])


def _tag_end(template: str, messages: list[dict[str, Any]], field: str) -> str:
    """Marks where the text of the last message's `field` ends; returns that text."""
    last = messages[-1]
    content = last.get(field)
    if content is None:
        raise ValueError(f'continue_final_message: the final message has no "{field}"')
    fields = [name for name in _REASONING if last.get(name) == content] if field in _REASONING else [field]
    if not any(name in template for name in fields):
        raise ValueError(f'continue_final_message: the template does not read "{field}"')
    if isinstance(content, str):
        last.update(dict.fromkeys(fields, content + _TAG))
        return content
    for block in reversed(content):
        if isinstance(block, dict) and "text" in block:
            text = str(block["text"])
            block["text"] = text + _TAG
            return text
    raise ValueError("continue_final_message: no block of the final message has a text")


def _mask(row: Any, chat: Rendered) -> list[int]:
    """1 for the tokens of the chat's spans."""
    mask = [0] * len(row)
    for start, end in chat.spans:
        first, last = row.char_to_token(start), row.char_to_token(end - 1)
        if first is None:
            break
        for token in range(first, last + 1 if last else len(row)):
            mask[token] = 1
    return mask
