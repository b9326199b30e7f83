"""Scripts as people write them run with only the import changed, and the scripts of examples/."""

import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastplm
from tests.models.tiny import Tiny, save_class, save_tiny

EXAMPLES = Path(__file__).parents[2] / "examples"

MASKED_WORD = """
import torch
from transformers import AutoTokenizer, BertForMaskedLM
tokenizer = AutoTokenizer.from_pretrained(FOLDER)
model = BertForMaskedLM.from_pretrained(FOLDER)
model.eval()
inputs = tokenizer("The capital of France is [MASK].", return_tensors="pt")
with torch.no_grad():
    logits = model(**inputs).logits
where = (inputs.input_ids == tokenizer.mask_token_id)[0].nonzero(as_tuple=True)[0]
predicted = logits[0, where].argmax(axis=-1)
result = predicted.tolist(), tokenizer.decode(predicted), logits
"""
CLASSIFIER = """
import torch
from transformers import AutoTokenizer, AutoModelForSequenceClassification
tokenizer = AutoTokenizer.from_pretrained(FOLDER)
model = AutoModelForSequenceClassification.from_pretrained(FOLDER)
inputs = tokenizer("Hello, my dog is cute", return_tensors="pt")
with torch.no_grad():
    logits = model(**inputs).logits
predicted = logits.argmax().item()
result = predicted, model.config.id2label[predicted], logits
"""
ENCODER = """
from transformers import BertModel, BertTokenizer
tokenizer = BertTokenizer.from_pretrained(FOLDER)
model = BertModel.from_pretrained(FOLDER)
encoded = tokenizer("Replace me by any text you'd like.", return_tensors="pt")
output = model(**encoded)
result = list(output.keys()), output.pooler_output.detach(), output.last_hidden_state.detach()
"""
PADDED = """
import torch
from transformers import AutoModel, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(FOLDER)
model = AutoModel.from_pretrained(FOLDER).eval()
texts = ["A short text", "A longer one, of which the end is cut off, for it has too many words"]
batch = tokenizer(texts, padding=True, truncation=True, max_length=12, return_tensors="pt")
with torch.no_grad():
    outputs = model(**batch)
mask = batch["attention_mask"][..., None].bool()
result = batch["input_ids"].tolist(), outputs[0].masked_fill(~mask, 0.0)
"""
NEXT_TOKEN = """
import torch
from transformers import AutoTokenizer, GPT2LMHeadModel
tokenizer = AutoTokenizer.from_pretrained(FOLDER)
model = GPT2LMHeadModel.from_pretrained(FOLDER)
inputs = tokenizer("Hello, my dog is", return_tensors="pt")
with torch.no_grad():
    outputs = model(**inputs, labels=inputs["input_ids"])
probabilities = torch.softmax(outputs.logits[0, -1], dim=-1)
result = int(probabilities.argmax()), probabilities, outputs.loss, outputs.logits
"""
SCRIPTS = {
    "masked word": (MASKED_WORD, "BertForMaskedLM", "wordpiece/bert-base-uncased", 30522),
    "classifier": (CLASSIFIER, "BertForSequenceClassification", "wordpiece/bert-base-uncased", 30522),
    "encoder": (ENCODER, "BertModel", "wordpiece/bert-base-uncased", 30522),
    "padded": (PADDED, "BertModel", "wordpiece/bert-base-uncased", 30522),
    "next token": (NEXT_TOKEN, "GPT2LMHeadModel", "bpe_bytelevel/gpt2", 50257),
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_with_its_import_changed(script, data, tmp_path):
    text, name, tokenizer, vocabulary = SCRIPTS[script]
    if name == "BertModel":
        save_tiny("bert", tmp_path, Tiny(vocab=vocabulary))
    else:
        save_class(name, tmp_path, Tiny(vocab=vocabulary))
    for file in (data / "tokenizers" / tokenizer).iterdir():
        shutil.copy(file, tmp_path)
    if name.startswith("GPT2"):
        settings = {"tokenizer_class": "GPT2Tokenizer", "model_max_length": 1024}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    results = []
    for changed in (text, text.replace("from transformers import", "from fastplm import")):
        names = {"FOLDER": str(tmp_path)}
        exec(changed, names)
        results.append(names["result"])
    for want, got in zip(*results, strict=True):
        if isinstance(want, int | str | list):
            assert got == want
        else:
            assert got.dtype == want.dtype and got.shape == want.shape
            np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-4, atol=1e-5)


def test_greedy_loop(data):
    """The example, as a function and as a program, tells the published story."""
    folder = data / "stories260k" / "hf"
    golden = json.loads((folder / "golden_greedy.json").read_text())
    greedy = runpy.run_path(str(EXAMPLES / "greedy_loop.py"))["greedy"]
    model = fastplm.AutoModelForCausalLM.from_pretrained(folder)
    start, ids = golden["prompt_ids"], golden["greedy_ids"]
    assert [*start, *greedy(model, start, len(ids) - len(start))] == ids
    run = subprocess.run(
        [sys.executable, EXAMPLES / "greedy_loop.py", folder, "Once upon a time", "60"],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    story = run.stdout.strip()
    assert len(story) > 100 and golden["greedy_text"].strip().startswith(story)
