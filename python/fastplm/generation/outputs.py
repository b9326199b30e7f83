"""What generate(return_dict_in_generate=True) returns, under transformers' names."""

from typing import Any

from fastplm.outputs import ModelOutput


class _GenerateOutput(ModelOutput):
    def __getattr__(self, name: str) -> Any:
        return self.get(name) if name in self._fields else super().__getattr__(name)


_STEPS = ("scores", "logits")
_DRAFTS = ("drafted_tokens", "accepted_tokens")
_OF_BOTH = ("encoder_attentions", "encoder_hidden_states", "decoder_attentions", "cross_attentions",
            "decoder_hidden_states")  # fmt: skip
_BEAMS = ("sequences", "sequences_scores", *_STEPS, "beam_indices")


class GenerateDecoderOnlyOutput(_GenerateOutput):
    """sequences [B * num_return_sequences, length]: int64 ids, prompts included. For each new token, one
    element of: scores and logits [rows, vocabulary], behind and before the processors; attentions and
    hidden_states: as a call of the model gives them. cache: of all tokens but the last. drafted_tokens,
    accepted_tokens: how many were guessed, and how many of these were right. Only what was asked for is
    there.
    """

    _fields = ("sequences", *_STEPS, "attentions", "hidden_states", *_DRAFTS, "cache")


class GenerateEncoderDecoderOutput(_GenerateOutput):
    """As GenerateDecoderOnlyOutput; attentions and hidden states say whose they are."""

    _fields = ("sequences", *_STEPS, *_OF_BOTH, *_DRAFTS, "cache")


class GenerateBeamDecoderOnlyOutput(_GenerateOutput):
    """As GenerateDecoderOnlyOutput, with rows for each beam; sequences_scores [B * num_return_sequences];
    beam_indices: of each new token, the row whose scores it was chosen by, -1 behind the end.
    """

    _fields = (*_BEAMS, "attentions", "hidden_states", "cache")


class GenerateBeamEncoderDecoderOutput(_GenerateOutput):
    """As GenerateBeamDecoderOnlyOutput; attentions and hidden states say whose they are."""

    _fields = (*_BEAMS, *_OF_BOTH, "cache")


def output_class(both: bool, beams: bool) -> type[_GenerateOutput]:
    """both: of an encoder-decoder."""
    if both:
        return GenerateBeamEncoderDecoderOutput if beams else GenerateEncoderDecoderOutput
    return GenerateBeamDecoderOnlyOutput if beams else GenerateDecoderOnlyOutput
