"""Text that a schema, an expression or a grammar allows."""

import json
import re

import pytest

import fastplm
from fastplm import Constraint

pytest.importorskip("llguidance")

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 99},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def stories(data):
    folder = data / "stories260k" / "hf"
    model = fastplm.AutoModelForCausalLM.from_pretrained(folder)
    return model, fastplm.AutoTokenizer.from_pretrained(folder)


def text_of(stories, prompt, constraint, **settings):
    model, tokenizer = stories
    ids = tokenizer(prompt)["input_ids"]
    got = model.generate(
        [ids], constraint=constraint, tokenizer=tokenizer, **{"max_new_tokens": 120, **settings}
    )
    return tokenizer.decode(got[0][len(ids) :], skip_special_tokens=True)


@pytest.mark.parametrize("sample", [False, True])
def test_json_schema(stories, sample):
    for seed in range(3 if sample else 1):
        text = text_of(stories, "Her name:", Constraint.json_schema(SCHEMA), do_sample=sample, seed=seed)
        made = json.loads(text)
        assert set(made) == {"name", "age", "tags"}
        assert len(made["name"]) <= 12 and 0 <= made["age"] <= 99 and set(made["tags"]) <= {"a", "b"}


def test_regex_and_choice_and_lark(stories):
    pattern = r"(Tom|Lily) was [a-z]{3,9}\."
    assert re.fullmatch(pattern, text_of(stories, "", Constraint.regex(pattern)).strip())
    constraint = Constraint.choice(["a dog", "a purple cat"])
    assert text_of(stories, "Tim saw", constraint).strip() in ("a dog", "a purple cat")
    assert re.fullmatch("(ab){2,4}", text_of(stories, "", Constraint.lark('start: ("ab"){2,4}')).strip())


def test_rows_and_requests_each_have_their_own_place(stories):
    model, tokenizer = stories
    constraint = Constraint.json_schema(SCHEMA)
    prompts = ["Tom", "Once upon a time there was a cat", "The"]
    want = [text_of(stories, p, constraint) for p in prompts]
    for text in want:
        json.loads(text)
    ids = [tokenizer(p)["input_ids"] for p in prompts]
    longest = max(map(len, ids))
    batch = model.generate(
        [[0] * (longest - len(r)) + r for r in ids],
        attention_mask=[[0] * (longest - len(r)) + [1] * len(r) for r in ids],
        constraint=constraint, tokenizer=tokenizer, max_new_tokens=120,
    )  # fmt: skip
    assert [tokenizer.decode(row[longest:], skip_special_tokens=True) for row in batch] == want
    with fastplm.Generator(model, tokenizer) as generator:
        running = [generator.submit(p, constraint=constraint, max_new_tokens=120) for p in prompts]
        assert [r.result().text for r in running] == want


def test_any_end_will_do(stories):
    """Behind the whole text the likeliest of the ends follows; one that the model has not is none."""
    model, tokenizer = stories
    ids, constraint = tokenizer("Tim saw")["input_ids"], Constraint.choice(["a dog"])
    ends = [
        model.generate(
            [ids], constraint=constraint, tokenizer=tokenizer, max_new_tokens=20, eos_token_id=eos
        )[0, -1]
        for eos in ([2, 300], [300, 2], [10**6, 300, 2])
    ]
    assert ends[0] == ends[1] == ends[2] and ends[0] in (2, 300)


def test_what_is_no_grammar(stories):
    model, tokenizer = stories
    with pytest.raises(ValueError, match=r"^constraint: regex: (?!constraint)"):
        Constraint.regex("(")
    with pytest.raises(ValueError, match="json_schema"):
        Constraint.json_schema({"type": "nothing"})
    with pytest.raises(ValueError, match="json_schema"):
        Constraint.json_schema("{")
    with pytest.raises(ValueError, match="choice"):
        Constraint.choice([])
    with pytest.raises(TypeError, match="regex: a int"):
        Constraint.regex(3)
    constraint = Constraint.regex("a+")
    with pytest.raises(ValueError, match="tokenizer"):
        model.generate([[1]], constraint=constraint, max_new_tokens=3)
    with pytest.raises(ValueError, match="eos_token_id"):
        model.generate([[1]], constraint=constraint, tokenizer=tokenizer, max_new_tokens=3, eos_token_id=[])
    with pytest.raises(fastplm.UnsupportedError, match="num_beams"):
        model.generate([[1]], constraint=constraint, tokenizer=tokenizer, max_new_tokens=3, num_beams=2)
    with pytest.raises(TypeError, match="constraint: a str"):
        model.generate([[1]], constraint="a+", max_new_tokens=3)
