"""apply_chat_template, compared with transformers; and templates that mean harm."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from fastplm.tokenizer import AutoTokenizer

transformers = pytest.importorskip("transformers")
pytest.importorskip("jinja2")

LINES = """{% for message in messages %}
    {%- if loop.first and message.role != 'system' %}[CLS]{% endif -%}
    {%- if message.role == 'assistant' %}
        {%- generation %}{{ message.content ~ ' ' ~ eos_token|default('[SEP]') }}{% endgeneration %}
    {%- else %}
        {{- message['role'] + ': ' + message['content'] | trim }}
    {%- endif %}
{% endfor %}
{%- if add_generation_prompt %}{{ 'cat: ' }}{% endif %}"""
TOOLS = """{%- set ns = namespace(count=0, text='') -%}
{%- for tool in tools or [] %}{% set ns.count = ns.count + 1 %}{{ tool | tojson(indent=2) }}{% endfor -%}
{%- for document in documents or [] %}{{ loop.index0 }}/{{ loop.length }} {{ document.title }}{% endfor -%}
{%- macro say(m, mark='>') %}{{ mark * 2 }}{{ m.content }}{% endmacro -%}
{%- for message in messages %}
{%- if message.role == 'skip' %}{% continue %}{% elif message.role == 'stop' %}{% break %}{% endif %}
{{ say(message, mark='<') }}{{ '%s|%d' % (message.role, ns.count) }}
{%- if message.thinking is defined %}{{ message.reasoning_content }}{% endif %}
{%- endfor %}
{{- dict(a=1, b=extra|default(0))|tojson }}{{ "{:>4}".format(ns.count) }}{{ strftime_now('%Y') | length }}
{{- messages | map(attribute='role') | join(', ') }}{{ (messages | length) ** 2 }}
"""
CHAT = [
    {"role": "user", "content": " the cat <b>sat</b> & 'on' "},
    {"role": "assistant", "content": "hello world", "name": None},
    {"role": "skip", "content": "mat"},
    {"role": "user", "content": "café 中国", "thinking": "mmh"},
    {"role": "assistant", "content": "the cats sat on the mat"},
    {"role": "stop", "content": "on"},
]
SCHEMA = {"type": "function", "function": {"name": "f", "description": "<&'\"é>", "parameters": {}}}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, vocabulary: dict[str, int]) -> tuple[Any, Any]:
    path = tmp_path_factory.mktemp("chat")
    (path / "vocab.txt").write_text("".join(word + "\n" for word in vocabulary), encoding="utf-8")
    (path / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    return AutoTokenizer.from_pretrained(path), transformers.AutoTokenizer.from_pretrained(path)


def plain(value: Any) -> Any:
    if hasattr(value, "items"):
        return {k: v.tolist() if hasattr(v, "tolist") else v for k, v in value.items()}
    return value


@pytest.mark.parametrize("template", [LINES, TOOLS], ids=["lines", "tools"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tokenize": False},
        {"tokenize": False, "add_generation_prompt": True},
        {"return_dict": False},
        {"return_tensors": "np"},
        {"truncation": True, "max_length": 7},
        {"tokenize": False, "continue_final_message": True},
        {
            "tokenize": False,
            "tools": [SCHEMA],
            "documents": [{"title": "a", "text": "b"}],
            "extra": [1, None],
        },
        {"tokenizer_kwargs": {"return_offsets_mapping": True}},
    ],
    ids=str,
)
def test_same_as_transformers(both: tuple[Any, Any], template: str, options: dict[str, Any]) -> None:
    ours, reference = both
    for conversation in (CHAT[:1], CHAT[:5], [CHAT[:1], CHAT[:2]], (CHAT[:2], CHAT[1:4])):
        if options.get("return_tensors") and conversation[0] is not CHAT[0]:
            options = {**options, "padding": True}
        try:
            want = reference.apply_chat_template(conversation, chat_template=template, **options)
        except ValueError:
            with pytest.raises(ValueError):
                ours.apply_chat_template(conversation, chat_template=template, **options)
            continue
        got = ours.apply_chat_template(conversation, chat_template=template, **options)
        assert plain(got) == plain(want)


@pytest.mark.parametrize("tensors", [None, "np"])
def test_assistant_masks(both: tuple[Any, Any], tensors: str | None) -> None:
    options = {"return_assistant_tokens_mask": True, "return_tensors": tensors, "chat_template": LINES}
    for conversation in (CHAT[:5], CHAT[:1]):
        got, want = (plain(tok.apply_chat_template(conversation, **options)) for tok in both)
        assert got == want
    assert (
        sum(both[0].apply_chat_template(CHAT, **{**options, "return_tensors": None})["assistant_masks"]) > 4
    )
    with pytest.raises(ValueError, match="return_dict"):
        both[0].apply_chat_template(
            CHAT, chat_template=LINES, return_dict=False, return_assistant_tokens_mask=True
        )


def test_continued_messages(both: tuple[Any, Any]) -> None:
    for field, message in (
        (True, {"role": "assistant", "content": "  the cat "}),
        (True, {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "image"}]}),
        ("reasoning", {"role": "assistant", "content": "c", "reasoning": "because"}),
        ("content", {"role": "assistant", "content": "c"}),
        ("nothing", {"role": "assistant", "content": "c"}),
        (True, {"role": "assistant"}),
    ):
        content = "{{ m.content if m.content is string else m.content[0].text }}"
        template = "{% for m in messages %}{{ m.thinking }}" + content + " <{% endfor %}"
        options = {"chat_template": template, "continue_final_message": field, "tokenize": False}
        try:
            want = both[1].apply_chat_template([message], **options)
        except ValueError:
            with pytest.raises(ValueError, match="continue_final_message"):
                both[0].apply_chat_template([message], **options)
            continue
        assert both[0].apply_chat_template([message], **options) == want
    with pytest.raises(ValueError, match="continue_final_message"):
        both[0].apply_chat_template(
            CHAT, chat_template=LINES, continue_final_message=True, add_generation_prompt=True
        )


def test_templates_of_the_folder(tmp_path: Path, vocabulary: dict[str, int]) -> None:
    (tmp_path / "vocab.txt").write_text("".join(word + "\n" for word in vocabulary), encoding="utf-8")
    config = tmp_path / "tokenizer_config.json"

    def both() -> tuple[Any, Any]:
        ours, reference = (
            auto.from_pretrained(tmp_path) for auto in (AutoTokenizer, transformers.AutoTokenizer)
        )
        assert ours.chat_template == reference.chat_template
        return ours, reference

    config.write_text(
        '{"tokenizer_class": "BertTokenizer", "chat_template": "one {{ messages[0].content }}"}'
    )
    assert both()[0].apply_chat_template(CHAT[:1], tokenize=False).startswith("one")
    config.write_text(
        '{"tokenizer_class": "BertTokenizer", "chat_template": [{"name": "default", "template": "d"},'
        ' {"name": "tool_use", "template": "t"}, {"name": "rag", "template": "r"}]}'
    )
    ours, reference = both()
    for tools, name in ((None, None), ([SCHEMA], None), (None, "rag"), (None, "{{ 1 }}")):
        got, want = (
            tok.apply_chat_template(CHAT, tools, chat_template=name, tokenize=False)
            for tok in (ours, reference)
        )
        assert got == want
    for tok in (ours, reference):  # none is for tools
        tok.chat_template = {"default": "d", "rag": "r"}
        assert tok.apply_chat_template(CHAT, [SCHEMA], tokenize=False) == "d"
    (tmp_path / "chat_template.jinja").write_text("from the file")
    assert both()[0].apply_chat_template(CHAT, tokenize=False) == "from the file"
    (tmp_path / "additional_chat_templates").mkdir()
    (tmp_path / "additional_chat_templates/other.jinja").write_text("other")
    ours, reference = both()
    assert ours.apply_chat_template(CHAT, chat_template="other", tokenize=False) == "other"
    names = ours.save_pretrained(tmp_path / "saved")
    assert "additional_chat_templates/other.jinja" in [
        str(Path(n).relative_to(tmp_path / "saved")) for n in names
    ]
    for auto in (AutoTokenizer, transformers.AutoTokenizer):
        assert auto.from_pretrained(tmp_path / "saved").chat_template == ours.chat_template
    ours.save_pretrained(tmp_path / "inside", save_jinja_files=False)
    assert not (tmp_path / "inside/chat_template.jinja").exists()
    for auto in (AutoTokenizer, transformers.AutoTokenizer):
        assert auto.from_pretrained(tmp_path / "inside").chat_template == ours.chat_template
    for name in ("../outside", "..", ".", "", "a\0"):
        ours.chat_template = {name: "x"}
        with pytest.raises(ValueError, match="expected a file name"):
            ours.save_pretrained(tmp_path / "saved")


HOSTILE = {
    "endless loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "many small loops": "{% set x = 'ab' * 99999 %}{% for a in x %}{% for b in x %}{% endfor %}{% endfor %}",
    "a loop that calls itself": "{% for a in range(9999) recursive %}{{ loop(range(9999)) }}{% endfor %}",
    "doubling": (
        "{% set n = namespace(x='ab') %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}"
    ),
    "doubling by joining": (
        "{% set n = namespace(x='ab') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}"
    ),
    "doubling a list": (
        "{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}"
    ),
    "repeating": "{{ 'a' * 10000000000 }}",
    "repeating a list": "{{ ([1] * 10000000000) | length }}",
    "powers": "{{ 9 ** 9 ** 9 }}",
    "products": "{% set n = namespace(x=7) %}{% for i in range(60) %}{% set n.x = n.x * n.x %}{% endfor %}",
    "padding": "{{ 'a'.ljust(10000000000) }}",
    "centre": "{{ 'a' | center(10000000000) }}",
    "indents": "{{ messages | tojson(indent=10000000000) }}",
    "old formats": "{{ '%010000000000d' % 1 }}",
    "formats by a filter": "{{ '%010000000000d' | format(1) }}",
    "new formats": "{{ '{:10000000000}'.format(1) }}",
    "replacing": "{% set x = 'ab' * 999999 %}{{ x.replace('a', x) | length }}",
    "replacing by a filter": "{% set x = 'ab' * 999999 %}{{ x | replace('a', x) | length }}",
    "joining": "{% set x = 'ab' * 999999 %}{{ x.join(['', ''] * 99999) | length }}",
    "joining by a filter": "{% set x = 'ab' * 999999 %}{{ (['', ''] * 99999) | join(x) | length }}",
    "macros without end": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "macros that fork": (
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}"
    ),
    "much text": "{% for a in range(99999) %}{{ messages[0].content * 100 }}{% endfor %}",
    "deep nesting": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "a long template": "a" * (4 << 20) + "a",
    "years": "{{ strftime_now('%0999999999d') }}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_templates_are_stopped(both: tuple[Any, Any], name: str) -> None:
    start = time.perf_counter()
    with pytest.raises(ValueError, match="chat_template"):
        both[0].apply_chat_template(CHAT, chat_template=HOSTILE[name], tokenize=False)
    assert time.perf_counter() - start < 20


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.append(1) }}",
        "{{ strftime_now.__globals__['os'] }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ namespace(_x=1) }}",
        "{% set n = namespace() %}{% set n.__class__ = 1 %}",
        "{{ dict.__subclasses__() }}",
        "{% include '/etc/passwd' %}",
        "{{ raise_exception('no') }}",
        "{{ nothing.at.all }}",
        "{% for %}",
        "{{ 1 / 0 }}",
        "{{ messages | nonsense }}",
    ],
)
def test_what_the_sandbox_refuses(both: tuple[Any, Any], template: str) -> None:
    with pytest.raises(ValueError, match="chat_template"):
        print(both[0].apply_chat_template(CHAT, chat_template=template, tokenize=False))


@pytest.mark.parametrize(
    "template",
    [
        "[{{ raise_exception.__globals__ }}]",
        "[{{ '{0.__class__}'.format(messages) }}]",
        "[{{ dict.__mro__ }}]",
    ],
)
def test_what_the_sandbox_leaves_out(both: tuple[Any, Any], template: str) -> None:
    got, want = (tok.apply_chat_template(CHAT, chat_template=template, tokenize=False) for tok in both)
    assert got == want == "[]"


def test_objects_are_hidden(both: tuple[Any, Any]) -> None:
    message = {"role": "user", "content": [{"type": "image", "image": Path("/tmp/x"), "size": (3, 4.5)}]}
    template = "{{ messages[0].content[0].image }} {{ messages[0].content[0]['size'] }}"
    got, want = (tok.apply_chat_template([message], chat_template=template, tokenize=False) for tok in both)
    assert got == want and got.startswith("<")


def test_functions_as_tools(both: tuple[Any, Any]) -> None:
    def add(a: int, b: int = 1) -> int:
        """
        Adds.

        Args:
            a: one
            b: other
        """
        return a + b

    got, want = (tok.apply_chat_template(CHAT, [add], chat_template=TOOLS, tokenize=False) for tok in both)
    assert got == want and '"a"' in got
    with pytest.raises(ValueError, match="a tool is a int"):
        both[0].apply_chat_template(CHAT, [3], chat_template=TOOLS)


@pytest.mark.parametrize(
    ("conversation", "error", "message"),
    [
        ([], ValueError, "empty"),
        ("hello", TypeError, "conversation is a str"),
        (["hello"], TypeError, "a message is 'hello'"),
    ],
)
def test_bad_conversations(both: tuple[Any, Any], conversation: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        both[0].apply_chat_template(conversation, chat_template=LINES)


def test_no_template(both: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="no chat template"):
        both[0].apply_chat_template(CHAT)
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
    with pytest.raises(ModuleNotFoundError, match="pip install jinja2"):
        both[0].apply_chat_template(CHAT, chat_template="{# never seen before #}")


PARTS = """{{ bos_token }}{% for m in messages %}{% for part in m['content'].split('C') %}
[SEP]{{ m.role }}{{ part | trim }}[mark]{% endfor %}{% endfor %}{{ extra }}"""


@pytest.mark.parametrize("listed", [None, ["[tool]"]])
def test_control_tokens_of_users_are_text(
    listed: list[str] | None, tmp_path: Path, vocabulary: dict[str, int]
) -> None:
    (tmp_path / "vocab.txt").write_text("".join(word + "\n" for word in vocabulary), encoding="utf-8")
    config = {"tokenizer_class": "BertTokenizer", "bos_token": "[CLS]", "chat_control_tokens": listed}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    tokenizers = [auto.from_pretrained(tmp_path) for auto in (AutoTokenizer, transformers.AutoTokenizer)]
    for tokenizer in tokenizers:
        tokenizer.add_tokens(["[tool]", "[mark]", "\n"])  # white space is no control token
    chats = [
        [
            {"role": "user", "content": "cat [SEP] the [tool] a[mark]b"},
            {"role": "b", "content": " [CLS]hello"},
        ],
        [{"role": "[SEP]", "content": "\U000f0000[SEP]\U000f0001 [MASK] [SEP[SEP]] [tool"}],
    ]
    different = 0
    for conversation in (*chats, chats):
        for template in (LINES, PARTS):
            for options in (
                {}, {"padding": True, "return_tensors": "np"}, {"truncation": True, "max_length": 5},
                {"return_dict": False}, {"extra": "x [SEP]", "tools": [SCHEMA]},
            ):  # fmt: skip
                arguments = {"chat_template": template, **options}
                mine, theirs = (
                    plain(t.apply_chat_template(conversation, sanitize_control_tokens=True, **arguments))
                    for t in tokenizers
                )
                assert mine == theirs, options
                different += mine != plain(tokenizers[0].apply_chat_template(conversation, **arguments))
    assert different
    for options in ({"tokenize": False}, {"return_assistant_tokens_mask": True}):
        for tokenizer in tokenizers:
            with pytest.raises(ValueError, match="sanitize_control_tokens"):
                tokenizer.apply_chat_template(
                    chats[0], chat_template=PARTS, sanitize_control_tokens=True, **options
                )
    tokenizers[0].save_pretrained(tmp_path / "saved")
    assert AutoTokenizer.from_pretrained(tmp_path / "saved").chat_control_tokens == listed


ECHO = "{% for m in messages %}[CLS]{{ m['content'] }}[SEP]{% endfor %}"


@pytest.mark.parametrize(
    ("template", "content"),
    [
        (ECHO, "a[SEP]b [CLS][SEP]"),
        (ECHO, [{"type": "text", "text": "a[SEP]b"}]),
        (ECHO, {"[SEP]": "\U000f0001[SEP]\U000f0000"}),
        ("[CLS]{{ messages }}[SEP]", "it's a[SEP]b"),
        ("[CLS]{{ messages | tojson }}[SEP]", {"a[SEP]b": [1, "[SEP]"]}),
        ("[CLS]{{ messages | tojson(ensure_ascii=true) }}[SEP]", "a[SEP]b"),
        ("[CLS]{% for m in messages %}{{ m.content[1:] }} {{ m.content[:-1] }}{% endfor %}[SEP]", "[SEP]"),
        ("[CLS]{{ extra }}[SEP]", "cat"),
        (ECHO, "\\U000f0000[SEP]\\udb80\\udc01 [SE\U000f0000P]"),
        (ECHO, "a <TOOL>b <tool>"),
    ],
)
def test_no_control_token_comes_from_a_message(
    template: str, content: Any, tmp_path: Path, vocabulary: dict[str, int]
) -> None:
    (tmp_path / "vocab.txt").write_text("".join(word + "\n" for word in vocabulary), encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "BertTokenizer", "chat_control_tokens": ["<tool>"]}'
    )
    ours = AutoTokenizer.from_pretrained(tmp_path)
    ours.add_tokens(["<tool>"])  # searched for in the normalized text, in lower case
    control = {*ours.all_special_ids, ours.convert_tokens_to_ids("<tool>")} - {ours.unk_token_id}

    def controls(messages: Any, extra: Any, **options: Any) -> int:
        ids = ours.apply_chat_template(
            messages, chat_template=template, return_dict=False, extra=extra, **options
        )
        return sum(token_id in control for token_id in ids)

    def chat(said: Any) -> Any:
        return [{"role": "user", "content": said}]

    own = controls(chat("cat"), "cat")
    assert own == 2
    assert controls(chat(content), "a[SEP]b", sanitize_control_tokens=True) == own
    unsafe = controls(chat(content), "a[SEP]b")
    assert unsafe > own or "[1:]" in template  # where only the marks can be cut off


def test_sanitizing_with_a_file(load: Any, settings: dict[str, Any]) -> None:
    """Its truncation and padding are for whole chats."""
    settings["truncation"] = {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}
    settings["padding"] = {
        "strategy": {"Fixed": 6}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0,
        "pad_type_id": 0, "pad_token": "[PAD]",
    }  # fmt: skip
    ours, _ = load(settings)
    chat = [{"role": "user", "content": "the cat sat on the mat [SEP] a b c"}]
    options = {"chat_template": ECHO, "return_dict": False}
    want = ours.apply_chat_template(chat, **options)
    got = ours.apply_chat_template(chat, sanitize_control_tokens=True, **options)
    assert got[:7] == want[:7] and 0 not in got and len(got) > len(want)
    for arguments in ({"return_token_type_ids": False}, {"stride": 0, "padding_side": "left"}):
        assert ours.apply_chat_template(
            chat, sanitize_control_tokens=True, tokenizer_kwargs=arguments, **options
        ) == got  # fmt: skip


def test_threads_share_a_template(both: tuple[Any, Any]) -> None:
    options = {"chat_template": LINES, "return_assistant_tokens_mask": True}
    want = [plain(both[0].apply_chat_template(CHAT[:n], **options)) for n in (1, 2, 5)]
    wrong = []

    def work(i: int) -> None:
        for _ in range(30):
            if plain(both[0].apply_chat_template(CHAT[: (1, 2, 5)[i]], **options)) != want[i]:
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i % 3,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
