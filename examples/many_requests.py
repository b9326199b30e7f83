"""Many prompts at once, each printed when it is done.

python examples/many_requests.py FOLDER "a prompt" ["another" ...]
"""

import sys

import fastplm


def main() -> None:
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    folder, *prompts = sys.argv[1:]
    model = fastplm.AutoModelForCausalLM.from_pretrained(folder)
    with fastplm.Generator(model, fastplm.AutoTokenizer.from_pretrained(folder)) as generator:
        requests = [generator.submit(prompt, max_new_tokens=60) for prompt in prompts]
        for prompt, request in zip(prompts, requests, strict=True):
            done = request.result()
            print(f"{prompt} -> {done.text!r} ({done.finish_reason}, {len(done.token_ids)} tokens)")
        print(generator.usage())


if __name__ == "__main__":
    main()
