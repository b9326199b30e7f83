"""Language models in training: the loss without the logits, and encoders without padding."""

import copy
from typing import Any

import pytest
import torch
import transformers

import fastplm
from fastplm import ops
from tests.training.test_accelerate import batch, plain

WITHOUT_LOGITS = (
    "bert", "albert", "distilbert", "mpnet", "deberta-v2", "modernbert", "gpt2", "gpt-neo", "opt", "llama",
    "qwen3", "t5",
)  # fmt: skip


@pytest.mark.parametrize("name", WITHOUT_LOGITS)
def test_logits_are_not_formed_in_training(name: str) -> None:
    model = plain(name).train()
    inputs = batch(model)
    want = model(**inputs)
    ours = fastplm.accelerate(model)
    assert ours(**inputs).logits is None
    assert ours.eval()(**inputs).logits.shape == want.logits.shape
    kept = fastplm.accelerate(fastplm.restore(ours), logits=True).train()(**inputs)
    torch.testing.assert_close(kept.loss, want.loss, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(kept.logits[inputs["labels"] != -100], want.logits[inputs["labels"] != -100])


@pytest.mark.parametrize("name", ["bart", "gemma2", "xlnet", "roberta"])
def test_other_losses_are_the_models_own(name: str) -> None:
    """A bias or a cap behind the last layer, or a loss of another kind."""
    model = plain(name).train()
    inputs = batch(model)
    want = model(**inputs)
    for _ in range(2):
        out = fastplm.accelerate(copy.deepcopy(model))(**inputs)
        assert out.logits.shape == want.logits.shape
        torch.testing.assert_close(out.loss, want.loss, atol=1e-5, rtol=1e-5)


def test_a_loss_over_a_given_number_of_items() -> None:
    """What Trainer passes when it accumulates gradients."""
    reference = plain("llama").train()
    inputs = {**batch(reference), "num_items_in_batch": torch.tensor(123)}
    want = reference(**inputs).loss
    torch.testing.assert_close(fastplm.accelerate(reference)(**inputs).loss, want, atol=1e-5, rtol=1e-5)


def test_next_sentences() -> None:
    config = transformers.BertConfig(**plain("bert").config.to_dict())
    model = transformers.BertForPreTraining(config).train()
    inputs = {**batch(plain("bert")), "next_sentence_label": torch.tensor([1, 0, 1])}
    want = model(**inputs)
    want.loss.backward()
    grads = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    out = fastplm.accelerate(model)(**inputs)
    out.loss.backward()
    assert out.prediction_logits is None
    torch.testing.assert_close(out.loss, want.loss, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(out.seq_relationship_logits, want.seq_relationship_logits)
    torch.testing.assert_close([p.grad for p in model.parameters()], grads, atol=1e-5, rtol=1e-3)


def test_somebodys_own_loss_is_kept() -> None:
    model = plain("llama").train()
    model.loss_function = lambda logits, labels, **_: logits.square().mean()
    inputs = batch(model, padded=False)
    want = model(**inputs).loss
    torch.testing.assert_close(fastplm.accelerate(model)(**inputs).loss, want, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("setting", ["label_smoothing", "weight"])
def test_a_loss_module_with_settings_is_kept(setting: str) -> None:
    model = plain("distilbert").train()
    options = {"label_smoothing": 0.2, "weight": torch.linspace(0.5, 2, model.config.vocab_size)}
    model.mlm_loss_fct = torch.nn.CrossEntropyLoss(**{setting: options[setting]})
    inputs = batch(model)
    want = model(**inputs).loss
    torch.testing.assert_close(fastplm.accelerate(model)(**inputs).loss, want, atol=1e-5, rtol=1e-5)


def rows_of_linears(
    model: Any, inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch, **options: Any
) -> list[int]:
    rows, linear = [], ops.linear

    def watched(x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        rows.append(x.shape[:-1].numel())
        return linear(x, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(ops, "linear", watched)
        model(**inputs, **options)
    return rows


@pytest.mark.parametrize(
    "name", ["bert", "roberta", "xlm-roberta", "electra", "distilbert", "albert", "modernbert"]
)
def test_padding_is_computed_nowhere(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = fastplm.accelerate(plain(name)).eval()
    inputs = batch(model)
    inputs.pop("labels")
    tokens, places = int(inputs["attention_mask"].sum()), inputs["input_ids"].numel()
    rows = rows_of_linears(model, inputs, monkeypatch)
    assert rows.count(tokens) >= 2 * 4
    watched = rows_of_linears(model, inputs, monkeypatch, output_hidden_states=True)
    assert tokens not in watched and watched.count(places) >= 2 * 4


def test_layers_in_chunks_keep_the_padding() -> None:
    """A chunk's size has to divide the length."""
    reference = plain("bert", chunk_size_feed_forward=17).eval()
    model, inputs = fastplm.accelerate(copy.deepcopy(reference)), batch(reference)
    torch.testing.assert_close(model(**inputs).loss, reference(**inputs).loss, atol=1e-5, rtol=1e-5)


def test_hooks_on_fused_modules_are_called() -> None:
    """Somebody who looks at a module inside a fused block sees what transformers would show."""
    reference = plain("bert").eval()
    model = fastplm.accelerate(copy.deepcopy(reference))
    for register in (
        "register_forward_hook",
        "register_full_backward_hook",
        "register_full_backward_pre_hook",
    ):
        inputs, seen = batch(model), []
        for m in (reference, model):
            layer = m.bert.encoder.layer[0]
            handles = [
                getattr(part, register)(lambda *given, seen=seen: seen.append(given[-1]))
                for part in (
                    layer.output.LayerNorm,
                    layer.intermediate.dense,
                    layer.intermediate.intermediate_act_fn,
                )
            ]
            m(**inputs).loss.backward()
            for handle in handles:
                handle.remove()
        assert len(seen) == 6
        torch.testing.assert_close(seen[3:], seen[:3], atol=1e-5, rtol=1e-4)


def test_double_precision_is_left_to_torch() -> None:
    reference = plain("bert").double().train()
    model = fastplm.accelerate(copy.deepcopy(reference))
    inputs = batch(model)
    torch.testing.assert_close(model(**inputs).loss, reference(**inputs).loss)
    with pytest.raises(fastplm.UnsupportedError, match=r"packed sequences of torch\.float64"):
        starts = torch.tensor([0, 17], dtype=torch.int32)
        keys = {"cu_seq_lens_q": starts, "cu_seq_lens_k": starts, "max_length_q": 17, "max_length_k": 17}
        model(inputs["input_ids"][:1], **keys)
