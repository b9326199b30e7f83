"""What classes with a generative head have besides a forward pass."""

from typing import Any

from fastplm.generation.config import GenerationConfig

TASKS = ("ForCausalLM", "LMHeadModel", "DoubleHeadsModel", "ForConditionalGeneration")  # ends of their names


class GenerationMixin:
    """generate(), its settings and the scores of what it gave."""

    generation_config: GenerationConfig

    def generate(
        self,
        inputs: Any = None,
        generation_config: Any = None,
        logits_processor: Any = None,
        stopping_criteria: Any = None,
        prefix_allowed_tokens_fn: Any = None,
        synced_gpus: Any = None,
        assistant_model: Any = None,
        streamer: Any = None,
        negative_prompt_ids: Any = None,
        negative_prompt_attention_mask: Any = None,
        custom_generate: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Token ids behind the prompts, int64 [B * num_return_sequences, length], with the prompts in front;
        or with return_dict_in_generate=True an output by name (fastplm.generation.outputs).

        inputs, or input_ids: [B, L], without it one row of bos_token_id; of encoder-decoders, what the
        encoder reads. attention_mask [B, L]: padding stands on the left of a decoder's prompt.
        generation_config: a GenerationConfig of fastplm or transformers, or a dict; kwargs: its settings by
        name, which count before it, and the arguments of the model (position_ids, inputs_embeds, cache,
        encoder_outputs, decoder_input_ids, decoder_attention_mask).
        logits_processor, stopping_criteria: lists of functions of ids and scores, called with torch tensors
        in a program that uses torch; prefix_allowed_tokens_fn(batch, ids): the tokens that may follow.
        streamer: gets the tokens as they come. tokenizer: for stop_strings and constraint.
        prompt_lookup_num_tokens: guesses up to so many tokens from where the last ones stood before;
        assistant_model: another decoder guesses. Greedy search of one prompt is then faster and gives the
        same; drafted_tokens and accepted_tokens of its output say how many guesses there were and how many
        were right.
        constraint: a fastplm.Constraint, which the new text matches.
        seed: an integer, or one for each prompt: the same seed gives the same tokens again. A prompt that has
        a seed of its own gives in a batch what it gives alone.

        Raises ValueError (arguments that contradict each other, shapes, NaN in the logits, more tokens than
        the model takes), TypeError, UnsupportedError (what this version does not do).
        """
        from fastplm.generation.generate import generate

        named = {
            "generation_config": generation_config,
            "logits_processor": logits_processor,
            "stopping_criteria": stopping_criteria,
            "prefix_allowed_tokens_fn": prefix_allowed_tokens_fn,
            "synced_gpus": synced_gpus,
            "assistant_model": assistant_model,
            "streamer": streamer,
            "negative_prompt_ids": negative_prompt_ids,
            "negative_prompt_attention_mask": negative_prompt_attention_mask,
            "custom_generate": custom_generate,
        }
        return generate(self, inputs, {**named, **kwargs})

    def compute_transition_scores(
        self, sequences: Any, scores: Any, beam_indices: Any = None, normalize_logits: bool = False
    ) -> Any:
        """The scores of the tokens that were chosen, f32 [rows, new tokens]: of generate's `sequences`,
        `scores` and, of beams, `beam_indices`. normalize_logits: as log probabilities.
        """
        from fastplm.generation.transitions import transition_scores

        return transition_scores(sequences, scores, beam_indices, normalize_logits)
