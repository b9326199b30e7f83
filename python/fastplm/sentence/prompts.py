"""The text that a model wants before the texts it is given."""

import warnings
from collections.abc import Mapping


def prompt_of(
    prompts: Mapping[str, str], default: str | None, prompt: str | None, name: str | None
) -> str | None:
    """What to put before each text: `prompt`, or the one called `name`, or the default one."""
    if prompt is not None:
        if name is not None:
            warnings.warn(f"prompt_name={name!r} is ignored: there is a prompt", stacklevel=4)
        return prompt
    name = default if name is None else name
    if name is not None and name not in prompts:
        raise ValueError(f"prompt_name: {name!r}; expected one of {list(prompts)}")
    return None if name is None else prompts[name]
