"""What generation is asked to do: transformers' GenerationConfig, read from generation_config.json or made by
the caller.
"""

import copy
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastplm import errors, hub
from fastplm.files import replacing
from fastplm.generation.warn import warn
from fastplm.jsonfile import read_json
from fastplm.settings import WITHOUT_EFFECT, warn_of_unknown

FILE = "generation_config.json"

# Settings that act, and what stands for one that nobody set.
DEFAULTS: dict[str, Any] = {
    "max_length": 20,
    "max_new_tokens": None,
    "min_length": 0,
    "min_new_tokens": None,
    "early_stopping": False,
    "max_time": None,
    "stop_strings": None,
    "do_sample": False,
    "num_beams": 1,
    "num_return_sequences": 1,
    "use_cache": True,
    "temperature": 1.0,
    "top_k": 50,
    "top_p": 1.0,
    "min_p": None,
    "top_h": None,
    "typical_p": 1.0,
    "epsilon_cutoff": 0.0,
    "eta_cutoff": 0.0,
    "repetition_penalty": 1.0,
    "encoder_repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "length_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "encoder_no_repeat_ngram_size": 0,
    "bad_words_ids": None,
    "sequence_bias": None,
    "renormalize_logits": None,
    "remove_invalid_values": False,
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
    "exponential_decay_length_penalty": None,
    "suppress_tokens": None,
    "begin_suppress_tokens": None,
    "output_scores": False,
    "output_logits": None,
    "output_attentions": None,
    "output_hidden_states": None,
    "return_dict_in_generate": False,
    "pad_token_id": None,
    "bos_token_id": None,
    "eos_token_id": None,
    "decoder_start_token_id": None,
    "seed": None,
    "prompt_lookup_num_tokens": None,
    "max_matching_ngram_size": 2,
    "num_assistant_tokens": 20,
    "num_assistant_tokens_schedule": "constant",
}

# Refused by generate() unless they have one of these values: setting, values, why.
_NO_DRAFT = "tokens are drafted by prompt_lookup_num_tokens or by assistant_model"
_MOVED = "transformers 5 runs it by code from the hub, and fastplm runs none"
REFUSED: dict[str, tuple[tuple[Any, ...], str]] = {
    "assistant_early_exit": ((None,), _NO_DRAFT),
    "cache_config": ((None, {}), "the cache has no settings"),
    "constraints": ((None,), _MOVED),
    "continuous_batching_config": ((None,), "generate() runs one batch"),
    "diversity_penalty": ((None, 0, 0.0), _MOVED),
    "dola_layers": ((None,), _MOVED),
    "force_words_ids": ((None,), _MOVED),
    "guidance_scale": ((None, 1, 1.0), "this version runs no second prompt for guidance"),
    "is_assistant": ((None, False), _NO_DRAFT),
    "low_memory": ((None, False), "transformers 5 refuses it too: beams share their memory here"),
    "num_beam_groups": ((None, 1), _MOVED),
    "penalty_alpha": ((None, 0, 0.0), _MOVED),
    "speculation_type": ((None,), _NO_DRAFT),
    "token_healing": ((None, False), "this version does not change the prompt's last token"),
    "use_mtp": ((None, False), _NO_DRAFT),
    "watermarking_config": ((None,), "this version writes no watermarks"),
}
CACHES = (
    None,
    "dynamic",
    "static",
    "offloaded",
    "offloaded_static",
    "hybrid",
    "sliding_window",
    "hybrid_chunked",
)

_WITHOUT = WITHOUT_EFFECT["generation_config.json"]
FIELDS = tuple(dict.fromkeys((*DEFAULTS, *REFUSED, "cache_implementation", *_WITHOUT)))
_METADATA = ("_where", "_from_model_config", "_commit_hash", "_original_object_hash", "transformers_version")
_OUTPUTS = ("output_attentions", "output_hidden_states", "output_scores", "output_logits")
_SAMPLING = {"temperature": 1.0, "top_p": 1.0, "min_p": None, "top_h": None, "typical_p": 1.0, "top_k": 50,
             "epsilon_cutoff": 0.0, "eta_cutoff": 0.0}  # fmt: skip
_BEAMS = {"early_stopping": False, "length_penalty": 1.0}
# What generate() takes itself.
_ARGUMENTS = ("logits_processor", "stopping_criteria", "prefix_allowed_tokens_fn", "synced_gpus",
              "assistant_model", "streamer", "negative_prompt_ids",
              "negative_prompt_attention_mask")  # fmt: skip


class GenerationConfig:
    """The settings of generation by attribute, under transformers' names; None: not set.

    Ours beside them: `seed`, an integer, or a list of one for each prompt: without it, sampling draws one
    from torch's generator, or numpy's where torch is not in use. `presence_penalty` and `frequency_penalty`,
    as in OpenAI's interface: subtracted from the scores of tokens that were generated before, once and each
    time.

    Settings that this version cannot follow are refused by generate(); unknown ones are kept and warned of.
    """

    def __init__(self, **kwargs: Any) -> None:
        given = {name: value for name, value in kwargs.items() if name not in _METADATA}
        self.__dict__.update({name: given.get(name) for name in FIELDS})
        unknown = {name: value for name, value in given.items() if name not in FIELDS}
        if not kwargs.get("_from_model_config"):
            self.__dict__.update(unknown)
            self._refuse_arguments()
            where = kwargs.get("_where", type(self).__name__)
            warn_of_unknown(where, "generation_config.json", unknown, FIELDS)
        self.validate(user_set_attributes=set(given))

    if TYPE_CHECKING:

        def __setattr__(self, name: str, value: Any) -> None: ...

    def __getattr__(self, name: str) -> Any:  # only where there is none
        raise AttributeError(f"GenerationConfig has no setting {name!r}")

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name: str | os.PathLike[str],
        config_file_name: str | os.PathLike[str] | None = None,
        *,
        cache_dir: str | os.PathLike[str] | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        token: str | bool | None = None,
        revision: str | None = None,
        subfolder: str = "",
        **kwargs: Any,
    ) -> "GenerationConfig":
        """Reads generation_config.json, or the file of another name, of a folder or a hub id; kwargs take the
        place of its settings. Raises FileNotFoundError, CheckpointError.
        """
        folder = hub.resolve(
            pretrained_model_name,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
            token=token,
            revision=revision,
            subfolder=subfolder,
            weights=False,
        )
        return cls._of_file(Path(folder) / (FILE if config_file_name is None else config_file_name), kwargs)

    @classmethod
    def from_model_config(cls, model_config: Any) -> "GenerationConfig":
        """What a model's config says about generation, as older checkpoints have it."""
        values = model_config if isinstance(model_config, dict) else model_config.to_dict()
        given = {name: value for name, value in values.items() if value is not None and name in FIELDS}
        if any(given.get(name) for name in _OUTPUTS):
            given.setdefault("return_dict_in_generate", True)
        return cls(**given, _from_model_config=True)

    @classmethod
    def of_folder(cls, folder: Path, model_config: dict[str, Any]) -> "GenerationConfig":
        """A checkpoint's own: of its generation_config.json, or else of its config."""
        path = folder / FILE
        return cls._of_file(path, {}) if path.exists() else cls.from_model_config(model_config)

    @classmethod
    def _of_file(cls, path: Path, changes: dict[str, Any]) -> "GenerationConfig":
        if not path.exists():
            raise FileNotFoundError(f"{path}: missing")
        values = read_json(path)
        if not isinstance(values, dict):
            raise errors.CheckpointError(
                f"{path}: holds a {type(values).__name__}; expected an object of settings"
            )
        try:
            return cls(**{**values, **changes}, _where=str(path))
        except (TypeError, ValueError) as error:
            raise errors.CheckpointError(f"{path}: {error}") from None

    @classmethod
    def of(cls, config: Any) -> "GenerationConfig":
        """A copy of a config of fastplm or transformers, or one of a dict."""
        if isinstance(config, GenerationConfig):
            return copy.deepcopy(config)
        if isinstance(config, dict):
            return cls(**config)
        if type(config).__name__ != "GenerationConfig":
            raise TypeError(f"generation_config: a {type(config).__name__}; expected a GenerationConfig")
        own = cls()
        own.__dict__.update({n: copy.deepcopy(v) for n, v in vars(config).items() if not n.startswith("_")})
        del own.__dict__["transformers_version"]
        return own

    def update(
        self, defaults_only: bool = False, allow_custom_entries: bool = False, **kwargs: Any
    ) -> dict[str, Any]:
        """Sets those of kwargs that it has, and gives the others back. defaults_only: only those that are not
        set. allow_custom_entries: new ones too.
        """
        unused = {}
        for name, value in kwargs.items():
            if name not in self.__dict__ and not allow_custom_entries:
                unused[name] = value
            elif name not in self.__dict__ or not defaults_only or self.__dict__[name] is None:
                self.__dict__[name] = value
            else:
                unused[name] = value
        self.validate(user_set_attributes=kwargs.keys() - unused.keys())
        return unused

    def to_dict(self) -> dict[str, Any]:
        """A deep copy of all settings."""
        return copy.deepcopy(self.__dict__)

    def to_diff_dict(self) -> dict[str, Any]:
        """The settings that are set."""
        return {name: value for name, value in self.to_dict().items() if value is not None}

    def to_json_string(self, use_diff: bool = True) -> str:
        """As it is saved."""
        values = self.to_diff_dict() if use_diff else self.to_dict()
        if isinstance(values.get("sequence_bias"), dict):
            values["sequence_bias"] = [[list(k), v] for k, v in values["sequence_bias"].items()]
        return json.dumps(values, indent=2, sort_keys=True) + "\n"

    def save_pretrained(
        self, save_directory: str | os.PathLike[str], config_file_name: str | os.PathLike[str] | None = None
    ) -> None:
        """Writes generation_config.json, or the file of that name, into the folder, which is made."""
        Path(save_directory).mkdir(parents=True, exist_ok=True)
        path = Path(save_directory) / (FILE if config_file_name is None else config_file_name)
        with replacing(path, "w") as file:
            file.write(self.to_json_string())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GenerationConfig) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.to_json_string()}"

    def _refuse_arguments(self) -> None:
        for name in _ARGUMENTS:
            if name in self.__dict__:
                raise ValueError(f"GenerationConfig: {name} is an argument of generate(); pass it there")

    def validate(self, strict: bool = False, user_set_attributes: Any = None) -> None:
        """Raises ValueError for values that contradict themselves or each other.

        user_set_attributes: the names that the caller has set: others are not warned of where they have no
        effect. strict: raises there too.
        """
        if self.early_stopping not in (None, True, False, "never"):
            raise ValueError(f"early_stopping: {self.early_stopping!r}; expected a boolean or 'never'")
        if self.max_new_tokens is not None and not self.max_new_tokens > 0:
            raise ValueError(f"max_new_tokens: {self.max_new_tokens!r}; expected more than 0")
        results, beams = self.num_return_sequences or 1, self.num_beams or 1
        if results > 1 and beams == 1 and not self.do_sample:
            raise ValueError(
                f"num_return_sequences: {results} with greedy search, which gives one; expected 1, "
                "do_sample=True or num_beams > 1"
            )
        if results > beams > 1:
            raise ValueError(f"num_return_sequences: {results}; expected at most num_beams, {beams}")
        for name in ("forced_bos_token_id", "forced_eos_token_id"):
            forced = getattr(self, name)
            forced = {forced} if isinstance(forced, int) else set(forced or ())
            if forced and forced <= set(self.suppress_tokens or ()):
                raise ValueError(f"{name}: {sorted(forced)}, all of which suppress_tokens forbids")
        idle = self._idle(user_set_attributes)
        if idle and strict:
            raise ValueError(f"GenerationConfig: {'; '.join(idle)}")
        if idle:
            warn(f"generation settings without effect: {'; '.join(idle)}")

    def _idle(self, given: Any) -> list[str]:
        """What is set and has no effect beside the other settings."""

        def counts(switch: str, name: str) -> bool:
            """A value of the checkpoint is harmless where the caller chose the way of decoding."""
            if given is None:
                return True
            return name in given or switch not in given

        idle = []
        if self.do_sample is not True:
            for name, neutral in _SAMPLING.items():
                value = getattr(self, name)
                if value is not None and value != neutral and counts("do_sample", name):
                    idle.append(f"{name}={value!r} only acts with do_sample=True")
        if self.num_beams in (None, 1):
            for name, neutral in _BEAMS.items():
                value = getattr(self, name)
                if value is not None and value != neutral and counts("num_beams", name):
                    idle.append(f"{name}={value!r} only acts with num_beams > 1")
        if self.return_dict_in_generate is not True:
            idle += [
                f"{name}=True only acts with return_dict_in_generate=True"
                for name in _OUTPUTS
                if getattr(self, name) is True
            ]
        if self.pad_token_id is not None and self.pad_token_id < 0:
            idle.append(f"pad_token_id={self.pad_token_id} is no token")
        return idle

    def refuse(self) -> None:
        """Raises UnsupportedError for what this version cannot follow, ValueError for what nobody can."""
        for name, (allowed, reason) in REFUSED.items():
            value = getattr(self, name)
            if not any(type(value) is type(v) and value == v for v in allowed):
                raise errors.UnsupportedError(f"{name}: {value!r}; {reason}")
        if self.cache_implementation in ("quantized", "paged"):
            raise errors.UnsupportedError(
                f"cache_implementation: {self.cache_implementation!r}; keys and values are kept in pages of "
                'the model\'s dtype, or of int8 with from_pretrained(..., cache_dtype="int8")'
            )
        if self.cache_implementation not in CACHES:
            raise ValueError(f"cache_implementation: {self.cache_implementation!r}; expected one of {CACHES}")
