"""The calls whose results are recorded: name: model, task, arguments of pipeline(), of the call."""

from typing import Any

TEXT = "the cat sat on my mat in paris."
LONG = "my name is anna and i live in paris , where the cat sat on the mat . " * 4
ODD = [
    "", " ", "Where do I live? 😀😀 café", "cafe\u0301 e\u0301\u0301 中国", "the\u00a0cat\tsat\non",
    "Anna-Maria's name, is Anna!", "xqz 7 zzzz", "☃ the ☃cat",
]  # fmt: skip
MASKED = "the [MASK] sat on the mat ."
PAIR = {"text": "the cat sat", "text_pair": "where is anna ?"}
QUESTION = "where do i live ?"
CONTEXT = "my name is anna and i live in paris ."
ASKED = {"question": QUESTION, "context": CONTEXT}
ODD_CONTEXTS = [
    {"question": "who ?", "context": text}
    for text in ("paris", "i live 😀 in cafe\u0301, Paris!!", "中国 the cat", "xqzzy zzzyx is in parisparis")
]
LABELS = ["sport", "politics", "the cat"]

Case = tuple[str, str, dict[str, Any], tuple[Any, ...], dict[str, Any]]


def _case(model: str, task: str, *args: Any, made: dict[str, Any] | None = None, **call: Any) -> Case:
    return model, task, made or {}, args, call


def _features() -> dict[str, Case]:
    task = "feature-extraction"
    return {
        "one": _case("features", task, TEXT),
        "list": _case("features", task, ["the cat", ""]),
        "cut": _case("features", task, LONG, truncation=True, tokenize_kwargs={"max_length": 5}),
        "made": _case("features", task, ["a cat"], made={"tokenize_kwargs": {"add_special_tokens": False}}),
        "logits": _case("feelings", task, TEXT),
    }


def _masks() -> dict[str, Case]:
    task, many = "fill-mask", "the [MASK] sat [MASK] my [MASK]"
    return {
        "one": _case("mask", task, MASKED),
        "list of one": _case("mask", task, [MASKED]),
        "list": _case("mask", task, [MASKED, "[MASK]", many, "[MASK] é 😀"], top_k=2),
        "several masks": _case("mask", task, many, top_k=3),
        "targets": _case("mask", task, MASKED, targets=["cat", "mat", "anna"]),
        "one target": _case("mask", task, MASKED, targets="cat"),
        "targets and top_k": _case("mask", task, many, targets=["cat", "mat", "is"], top_k=2),
        "unknown targets": _case("mask", task, MASKED, targets=["matter", "cat"]),
        "all": _case("mask", task, "[MASK]", top_k=20),
        "cut": _case("mask", task, MASKED + LONG, tokenizer_kwargs={"truncation": True}, top_k=1),
        "padded": _case(
            "mask", task, MASKED, tokenizer_kwargs={"padding": "max_length", "max_length": 20}, top_k=2
        ),
        "made": _case("mask", task, MASKED, made={"top_k": 1}),
        "bpe": _case("bpe mask", task, ["the <mask> sat.", "a<mask> <mask> 😀"], top_k=3),
        "bpe targets": _case("bpe mask", task, "the <mask>", targets=[" cat", "Ġcat", "is"]),
    }


def _texts() -> dict[str, Case]:
    task = "text-classification"
    return {
        "one": _case("feelings", task, TEXT),
        "list": _case("feelings", task, [TEXT, "a"]),
        "odd": _case("feelings", task, ODD),
        "top 2": _case("feelings", task, TEXT, top_k=2),
        "all": _case("feelings", task, [TEXT, "a"], top_k=None),
        "top 1 named": _case("feelings", task, TEXT, top_k=1),
        "made with top_k": _case("feelings", task, TEXT, made={"top_k": None}),
        "all scores": _case("feelings", task, [TEXT], return_all_scores=True),
        "made with all scores": _case("feelings", task, TEXT, made={"return_all_scores": True}),
        "not all scores": _case("feelings", task, TEXT, return_all_scores=False),
        "sigmoid": _case("feelings", task, TEXT, top_k=None, function_to_apply="sigmoid"),
        "none": _case("feelings", task, TEXT, top_k=None, function_to_apply="none"),
        "made with softmax": _case("many", task, TEXT, made={"function_to_apply": "softmax"}, top_k=None),
        "many labels": _case("many", task, TEXT, top_k=None),
        "one label": _case("one", task, [TEXT, ""]),
        "regression": _case("size", task, TEXT),
        "pair": _case("feelings", task, PAIR),
        "pairs": _case("feelings", task, [PAIR, {"text": "a"}], top_k=None),
        "nested pair": _case("feelings", task, [[["the cat", "is anna ?"]]]),
        "cut": _case("feelings", task, LONG, truncation=True, max_length=9),
        "cut pair": _case("feelings", task, PAIR, truncation="only_first", max_length=9),
        "alias": _case("feelings", "sentiment-analysis", TEXT),
        "decoder": _case("gpt2 feelings", task, [TEXT, "a cat", "😀"], top_k=None),
        "encoder-decoder": _case("bart relations", task, ["a", TEXT, "a</s>b", PAIR]),
    }


def _tokens() -> dict[str, Case]:
    task, strategies = "token-classification", ("none", "simple", "first", "average", "max")
    words = ["anna", "lives", "in", "Paris!", "😀"]
    cases = {
        **{s: _case("entities", task, [TEXT, *ODD, LONG], aggregation_strategy=s) for s in strategies},
        **{f"bpe {s}": _case("bpe entities", task, [TEXT, *ODD], aggregation_strategy=s) for s in strategies},
        **{
            f"stride, {s}": _case("entities", task, LONG, aggregation_strategy=s, stride=7, ignore_labels=[])
            for s in strategies[1:]
        },
        "default": _case("entities", task, TEXT),
        "nothing ignored": _case("entities", "ner", TEXT, ignore_labels=[]),
        "some ignored": _case("entities", "ner", TEXT, ignore_labels=["PER", "I-PER", "O"]),
        "group ignored": _case(
            "entities", "ner", LONG, ignore_labels=["PER"], aggregation_strategy="simple"
        ),
        "made": _case("entities", "ner", TEXT, made={"aggregation_strategy": "simple"}),
        "stride of default": _case("entities", task, LONG, stride=5),
        "stride of short texts": _case("entities", "ner", [TEXT, LONG, ""], made={
            "stride": 3, "aggregation_strategy": "first"}),
        "grouped": _case("entities", task, TEXT, grouped_entities=True),
        "grouped words": _case("entities", task, TEXT, grouped_entities=True, ignore_subwords=True),
        "not grouped": _case("entities", task, TEXT, grouped_entities=False),
    }  # fmt: skip
    for strategy in strategies:
        cases[f"words, {strategy}"] = _case(
            "entities", task, words, is_split_into_words=True, aggregation_strategy=strategy
        )
    cases["lists of words"] = _case(
        "entities", task, [words, ["a"], ["the", "cafe\u0301"]], is_split_into_words=True, delimiter="--"
    )
    return cases


def _answers() -> dict[str, Case]:
    task = "question-answering"
    long = {"question": QUESTION, "context": LONG}
    ask = {"question": QUESTION, "context": CONTEXT}
    return {
        "one": _case("answers", task, **ask),
        "dict": _case("answers", task, ASKED),
        "list of one": _case("answers", task, [ASKED]),
        "list": _case("answers", task, [ASKED, *ODD_CONTEXTS]),
        "many questions": _case("answers", task, question=[QUESTION, "who ?"], context=CONTEXT),
        "lists": _case("answers", task, question=[QUESTION, "who ?"], context=[CONTEXT, LONG]),
        "top 5": _case("answers", task, top_k=5, **ask),
        "top 5 of tokens": _case("answers", task, top_k=5, align_to_words=False, **ask),
        "older name": _case("answers", task, topk=2, **ask),
        "impossible": _case("answers", task, handle_impossible_answer=True, top_k=4, **ask),
        "short answers": _case("answers", task, max_answer_len=1, top_k=3, **ask),
        "long answers": _case("answers", task, max_answer_len=40, top_k=3, **long),
        "long": _case("answers", task, **long),
        "rows": _case("answers", task, max_seq_len=20, doc_stride=4, top_k=3, **long),
        "rows, impossible": _case(
            "answers", task, max_seq_len=24, doc_stride=8, handle_impossible_answer=True, top_k=3, **long
        ),
        "rows of tokens": _case("answers", task, max_seq_len=20, doc_stride=0, align_to_words=False, **long),
        "made": _case("answers", task, ASKED, made={"top_k": 2, "align_to_words": False}),
        "padded": _case("answers", task, padding="max_length", **ask),
        "odd tokens": _case("answers", task, ODD_CONTEXTS, align_to_words=False, top_k=2),
        "bpe": _case("bpe answers", task, [ASKED, *ODD_CONTEXTS], top_k=3),
        "bpe of tokens": _case("bpe answers", task, [ASKED, *ODD_CONTEXTS], align_to_words=False),
        "bpe rows": _case("bpe answers", task, max_seq_len=40, doc_stride=9, top_k=2, **long),
    }


def _labels() -> dict[str, Case]:
    task = "zero-shot-classification"
    return {
        f"{prefix}{name}": case
        for prefix, model in (("", "relations"), ("bart ", "bart relations"))
        for name, case in {
            "one": _case(model, task, TEXT, candidate_labels=LABELS),
            "by position": _case(model, task, TEXT, LABELS),
            "text of labels": _case(model, task, [TEXT, "😀 é"], candidate_labels=" sport, politics,,"),
            "one label": _case(model, task, TEXT, candidate_labels="sport"),
            "many": _case(model, task, [TEXT, "a"], candidate_labels=LABELS, multi_label=True),
            "older name": _case(model, task, TEXT, candidate_labels=LABELS, multi_class=True),
            "template": _case(model, task, TEXT, LABELS, hypothesis_template="about {} !"),
            "cut": _case(model, task, LONG * 2, LABELS),
            "made": _case(model, task, TEXT, made={"candidate_labels": LABELS, "multi_label": True}),
        }.items()
    }


_GREEDY = {"do_sample": False, "max_new_tokens": 7}
ASK = [{"role": "user", "content": "where is anna ?"}]
BEGUN = [*ASK, {"role": "assistant", "content": "in "}]
RAGGED = ["the cat", TEXT, "a", "where do i live in paris ? the cat", "😀 é"]


def _continued() -> dict[str, Case]:
    task, model, chat = "text-generation", "gpt2 text", "llama chat"
    return {
        "one": _case(model, task, TEXT, **_GREEDY),
        "list": _case(model, task, RAGGED, **_GREEDY),
        "list of one": _case(model, task, [TEXT], **_GREEDY),
        "new text": _case(model, task, RAGGED, return_full_text=False, **_GREEDY),
        "ids": _case(model, task, RAGGED, return_tensors=True, **_GREEDY),
        "beams": _case(model, task, RAGGED, num_beams=3, num_return_sequences=2, **_GREEDY),
        "ids of beams": _case(model, task, RAGGED, num_beams=2, return_tensors=True, **_GREEDY),
        "likeliest of samples": _case(model, task, "a cat", top_k=1, max_new_tokens=9),
        "prefix": _case(model, task, TEXT, prefix="where is ", **_GREEDY),
        "room": _case(model, task, [LONG[:100], "a"], handle_long_generation="hole", **_GREEDY),
        "stop": _case(model, task, RAGGED, stop_sequence="a", **_GREEDY),
        "empty": _case(model, task, "", **_GREEDY),
        "empty among others": _case(model, task, ["a", "", "the"], **_GREEDY),
        "made": _case(model, task, RAGGED, made=_GREEDY),
        "made with length": _case(model, task, RAGGED, made={"max_length": 30, "do_sample": False}),
        "least": _case(model, task, RAGGED, min_length=25, max_new_tokens=20, do_sample=False),
        "penalties": _case(
            model, task, RAGGED, repetition_penalty=1.5, no_repeat_ngram_size=2, max_new_tokens=12,
            do_sample=False,
        ),
        "special tokens": _case(model, task, RAGGED, skip_special_tokens=False, **_GREEDY),
        "spaces": _case(model, task, TEXT, clean_up_tokenization_spaces=False, **_GREEDY),
        "cut": _case(
            model, task, TEXT, tokenizer_encode_kwargs={"truncation": True, "max_length": 4}, **_GREEDY
        ),
        "scores": _case(
            model, task, ["a cat"], return_dict_in_generate=True, output_scores=True, max_new_tokens=2,
            do_sample=False,
        ),
        "scores of beams": _case(
            model, task, "a", return_dict_in_generate=True, output_scores=True, num_beams=2,
            num_return_sequences=2, max_new_tokens=2, do_sample=False,
        ),
        "chat": _case(chat, task, ASK, **_GREEDY),
        "chats": _case(chat, task, [ASK, BEGUN, [*BEGUN, *ASK]], **_GREEDY),
        "new message": _case(chat, task, BEGUN, return_full_text=False, **_GREEDY),
        "another message": _case(chat, task, BEGUN, continue_final_message=False, **_GREEDY),
        "longer question": _case(chat, task, ASK, continue_final_message=True, **_GREEDY),
        "the model's length": _case(chat, task, RAGGED),
        "no chat": _case(chat, task, RAGGED, **_GREEDY),
    }  # fmt: skip


def _made_of_texts() -> dict[str, Case]:
    task, model, short = "text2text-generation", "bart text", {"max_new_tokens": 8}
    summary, translation = "summarization", "translation_en_to_fr"
    mbart = {"src_lang": "en_XX", "tgt_lang": "de_DE"}
    return {
        "one": _case(model, task, TEXT, **short),
        "list": _case(model, task, RAGGED, **short),
        "several": _case(model, task, RAGGED, num_return_sequences=2, **short),
        "several of one": _case(model, task, TEXT, num_return_sequences=3, **short),
        "greedy": _case(model, task, RAGGED, num_beams=1, max_new_tokens=20),
        "ids": _case(model, task, RAGGED, return_tensors=True, **short),
        "stop": _case(model, task, RAGGED, stop_sequence="a", **short),
        "cut": _case(model, task, [LONG * 3, "a"], truncation=True, **short),
        "made": _case(model, task, TEXT, made={"num_beams": 1, "max_new_tokens": 5}),
        "spaces": _case(model, task, TEXT, clean_up_tokenization_spaces=True, **short),
        "the model's settings": _case("bart long", task, RAGGED),
        "summary": _case(model, summary, RAGGED, **short),
        "summaries": _case(model, summary, TEXT, num_return_sequences=2, **short),
        "summary's length": _case(model, summary, TEXT, min_length=6, num_beams=3, **short),
        "translation": _case(model, translation, RAGGED, **short),
        "other languages": _case(model, "translation_en_to_de", RAGGED, **short),
        "no languages": _case(model, "translation", TEXT, **short),
        "languages": _case("mbart text", "translation", RAGGED[:4], **mbart, **short),
        "made languages": _case("mbart text", "translation", TEXT, made=mbart, **short),
    }


CASES: dict[str, Case] = {
    f"{task}: {name}": case
    for task, cases in {
        "features": _features(),
        "masks": _masks(),
        "texts": _texts(),
        "tokens": _tokens(),
        "answers": _answers(),
        "labels": _labels(),
        "continued": _continued(),
        "made of texts": _made_of_texts(),
    }.items()
    for name, case in cases.items()
}
