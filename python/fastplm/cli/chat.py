"""fastplm chat: a conversation with a model, line by line."""

import argparse
import json
import sys

from fastplm.cli.generation import add_generation_arguments, answer, load, settings_of

SUMMARY = "a conversation with a model"

_EXAMPLES = """examples:
  fastplm chat path/to/model
  fastplm chat path/to/model --system "Answer in one sentence." --temperature 0.7
  printf 'Hello!\\nAnd who are you?\\n' | fastplm chat path/to/model --json
"""


def parser(common: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The command's arguments, with those of every command."""
    parser = argparse.ArgumentParser(
        "fastplm chat",
        parents=[common],
        description="Each line of stdin is a message, until Ctrl-D; the model's answers are printed as they "
        "come. Ctrl-C ends an answer. With --json, each answer is a line of JSON.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="folder or hub id of a model with a chat template")
    parser.add_argument("--system", metavar="TEXT", help="what the model is told before the first message")
    add_generation_arguments(parser)
    return parser


def run(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    tokenizer, model = load(options.model, options)
    if tokenizer.chat_template is None:
        raise ValueError(
            f"{options.model}: its tokenizer has no chat template; expected a model for chats, or "
            "fastplm generate"
        )
    messages = [] if options.system is None else [{"role": "system", "content": options.system}]
    watched = sys.stdin.isatty()
    while True:
        if watched:
            print("> ", end="", flush=True, file=sys.stderr)
        line = sys.stdin.readline()
        if not line:
            return 0
        messages.append({"role": "user", "content": line.removesuffix("\n")})
        inputs = tokenizer.apply_chat_template(
            [messages], add_generation_prompt=True, return_dict=True, return_tensors="np"
        )
        try:
            said = answer(tokenizer, model, inputs, settings, not options.json)
        except KeyboardInterrupt:
            if not watched:
                raise
            print(file=sys.stderr)
            messages.pop()
            continue
        messages.append({"role": "assistant", "content": said["text"]})
        if options.json:
            print(json.dumps({**messages[-1], "tokens": said["tokens"]}, ensure_ascii=False), flush=True)
