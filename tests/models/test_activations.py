"""Every activation of transformers' table: its result, or a refusal that names it."""

import json

import pytest
from transformers.activations import ACT2FN

import fastplm
from fastplm.errors import UnsupportedError
from tests.models.test_parity import check
from tests.models.tiny import Tiny, random_batch, save_tiny

REFUSED = {"prelu", "xielu", "sqrtsoftplus"}  # two with learned parameters, and a router's score


@pytest.mark.parametrize("name", [name for name in ACT2FN if name not in REFUSED])
def test_activation(name, tmp_path):
    tiny = Tiny(extra={"hidden_act": name})
    reference = save_tiny("bert", tmp_path, tiny)
    ids, mask = random_batch(tiny.vocab, (19, 5))
    check(reference, tmp_path, mask, input_ids=ids)


@pytest.mark.parametrize("name", [*sorted(REFUSED), "GELU", "geglu", ""])
def test_refused_activation(name, tmp_path):
    # The weights are another activation's: the refusal comes before they are read.
    save_tiny("bert", tmp_path)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"hidden_act": name}))
    with pytest.raises(UnsupportedError, match=f'activation "{name}" is not supported; known: gelu gelu_10'):
        fastplm.AutoModel.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("family", "key"), [("modernbert", "hidden_activation"), ("t5", "feed_forward_proj")]
)
def test_activation_of_a_gate(family, key, tmp_path):
    name = "gated-quick_gelu" if family == "t5" else "quick_gelu"
    tiny = Tiny(extra={key: name})
    reference = save_tiny(family, tmp_path, tiny)
    ids, mask = random_batch(tiny.vocab, (19, 5))
    check(reference, tmp_path, mask, input_ids=ids)
