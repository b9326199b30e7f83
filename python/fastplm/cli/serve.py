"""fastplm serve: an HTTP server with OpenAI's interface."""

import argparse
import ipaddress
import os
import signal
import sys
from pathlib import Path
from typing import Any

from fastplm.arrays import DTYPES
from fastplm.cli.generation import add_cache_dtype

SUMMARY = "an HTTP server with OpenAI's interface"

_EXAMPLES = """examples:
  fastplm serve path/to/decoder
  fastplm serve chat=path/to/decoder search=path/to/sentence-encoder --port 9000
  curl http://127.0.0.1:8000/v1/completions -d '{"model": "decoder", "prompt": "Once", "max_tokens": 20}'

The API key may also stand in the environment, as FASTPLM_API_KEY.
"""


def parser(common: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The command's arguments, with those of every command."""
    parser = argparse.ArgumentParser(
        "fastplm serve",
        parents=[common],
        description="Serves /v1/completions, /v1/chat/completions, /v1/embeddings and /v1/models.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "models", metavar="[NAME=]MODEL", nargs="+",
        help="folder or hub id; NAME is what clients call it (default: the folder's name)",
    )  # fmt: skip
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: this machine alone)"
    )
    parser.add_argument("--port", type=int, default=8000, help="default 8000; 0: any that is free")
    parser.add_argument(
        "--api-key", metavar="KEY", help="what clients must send as Authorization: Bearer KEY"
    )
    parser.add_argument(
        "--dtype", choices=("auto", *DTYPES), default="auto",
        help="what the models compute in (default auto: as they were saved)",
    )  # fmt: skip
    add_cache_dtype(parser)
    parser.add_argument(
        "--max-requests", type=int, default=32, metavar="N", help="that run at once (default 32)"
    )
    parser.add_argument("--queue", type=int, default=224, metavar="N", help="that may wait (default 224)")
    parser.add_argument(
        "--cache-tokens", type=int, default=65536, metavar="N",
        help="tokens in the cache of a model: what bounds its memory (default 65536)",
    )  # fmt: skip
    parser.add_argument(
        "--max-new-tokens", type=int, default=4096, metavar="N", help="of a request (default 4096)"
    )
    parser.add_argument(
        "--max-body", type=int, default=1 << 20, metavar="BYTES", help="of a request (default 1048576)"
    )
    return parser


def run(options: argparse.Namespace) -> int:
    uvicorn = _uvicorn()
    from fastplm.server.app import Limits, make_app

    for name in ("max_requests", "queue", "cache_tokens", "max_new_tokens", "max_body"):
        least = 0 if name == "queue" else 1
        if getattr(options, name) < least:
            raise ValueError(
                f"--{name.replace('_', '-')}: {getattr(options, name)}; expected at least {least}"
            )
    key = options.api_key or os.environ.get("FASTPLM_API_KEY") or None
    if key is None and not _is_loopback(options.host):
        print(
            f"fastplm serve: {options.host} without --api-key: anyone who reaches it may use it",
            file=sys.stderr,
        )
    models: dict[str, Any] = {}
    for spec in options.models:
        name, equals, path = spec.partition("=")
        if not equals or Path(spec).exists():
            name, path = Path(spec).name or spec, spec
        if name in models:
            raise ValueError(f"two models are called {name}; expected NAME=MODEL with other names")
        models[name] = _loaded(path, options)
    limits = Limits(options.max_body, options.max_new_tokens, options.max_requests + options.queue)
    config = uvicorn.Config(
        make_app(models, limits, key), host=options.host, port=options.port, log_level="warning",
        lifespan="on", server_header=False,
    )  # fmt: skip
    socket = config.bind_socket()
    host = f"[{options.host}]" if ":" in options.host else options.host
    print(
        f"serving {', '.join(models)} at http://{host}:{socket.getsockname()[1]}/v1",
        file=sys.stderr,
        flush=True,
    )
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it again once all is done
    uvicorn.Server(config).run(sockets=[socket])
    return 0


def _loaded(path: str, options: argparse.Namespace) -> Any:
    """A generator of a decoder, or else a sentence encoder."""
    from fastplm import AutoModelForCausalLM, AutoTokenizer, Generator, PretrainedConfig, SentenceEncoder
    from fastplm.families import FAMILIES, family_of
    from fastplm.hub import resolve_model

    folder = resolve_model(path)
    if not (folder / "modules.json").exists():
        family = PretrainedConfig.from_pretrained(folder).model_type
        if family in FAMILIES and family_of(family).stacks == "decoder":
            return Generator(
                AutoModelForCausalLM.from_pretrained(
                    folder, dtype=options.dtype, cache_dtype=options.cache_dtype
                ),
                AutoTokenizer.from_pretrained(folder),
                max_requests=options.max_requests,
                max_tokens=options.cache_tokens,
            )
    return SentenceEncoder(folder, dtype=options.dtype)


def _uvicorn() -> Any:
    try:
        import starlette  # noqa: F401
        import uvicorn
    except ImportError:
        raise ModuleNotFoundError(
            "the server needs starlette and uvicorn: pip install starlette uvicorn"
        ) from None
    return uvicorn


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
