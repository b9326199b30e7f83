"""Every key of a sentence-transformers folder's files: the reference's result, a reason, or an error."""

import inspect
import itertools
import re
import shutil
import sys
import warnings

import numpy as np
import pytest
from sentence_transformers.base.model import BaseModel
from sentence_transformers.base.modules import Normalize, Transformer
from sentence_transformers.sentence_transformer.model import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, pooling
from tokenizers import Regex, Tokenizer, normalizers

from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.sentence.transformer_file import NAMES
from fastplm.settings import WITHOUT_EFFECT
from tests.models.sentence_folder import TEXTS, WIDTH, SentenceFolder, assert_same
from tests.models.tiny import Tiny, save_class

FORWARD = {"method": "forward", "method_output_name": "last_hidden_state"}
TEXT = {"modality_config": {"text": FORWARD}, "module_output_name": "token_embeddings"}


class Case:
    """A setting, and what it does to the reference's embeddings: "changes" them, or leaves them the "same".
    Or the error that it is.
    """

    def __init__(self, outcome, **settings):
        self.outcome, self.settings = outcome, settings

    def __repr__(self):
        return f"{self.settings}"[:60]


def changes(**settings):
    return Case("changes", **settings)


def same(**settings):
    return Case("same", **settings)


def error(kind, **settings):
    return Case(kind, **settings)


PROCESSING = {
    "text": [
        changes(processing_kwargs={"text": {"max_length": 7}}),
        changes(processing_kwargs={"text": {"add_special_tokens": False}}),
        same(processing_kwargs={"text": {"truncation": "only_first", "padding": "max_length"}}),
        same(processing_kwargs={"text": {"pad_to_multiple_of": 10, "stride": 0, "verbose": False}}),
        same(processing_kwargs={"text": {"return_special_tokens_mask": True, "return_attention_mask": True}}),
        error(CheckpointError, processing_kwargs={"text": {"max_length": 0}}),
        error(CheckpointError, processing_kwargs=[1]),
        *(
            error(UnsupportedError, processing_kwargs={"text": {name: value}})
            for name, value in {
                "is_split_into_words": True, "return_attention_mask": False, "split_special_tokens": True,
                "return_overflowing_tokens": True, "return_token_type_ids": False, "text_pair": ["a"],
                "text_target": ["a"], "text_pair_target": ["a"], "tokenizer_kwargs": {"max_length": 3},
            }.items()
        ),
    ],
    "common": [
        changes(processing_kwargs={"common": {"max_length": 7}, "text": {"max_length": 9}}),
        same(processing_kwargs={"common": {"return_tensors": "pt"}}),
    ],
    **{
        group: [same(processing_kwargs={group: {"padding": True}})]
        for group in ("audio", "image", "video", "chat_template")
    },
}  # fmt: skip

SENTENCE_BERT = {
    "transformer_task": [
        same(transformer_task="feature-extraction"),
        error(UnsupportedError, transformer_task="fill-mask"),
    ],
    "model_kwargs": [
        same(model_kwargs={"attn_implementation": "eager", "low_cpu_mem_usage": True, "revision": "x"}),
        same(model_kwargs={"trust_remote_code": True, "subfolder": "/etc", "token": "x"}),
        same(model_kwargs={"dtype": "float32"}, model_args={"torch_dtype": "float32"}),
        error(UnsupportedError, model_kwargs={"dtype": "float16"}),
        error(UnsupportedError, model_kwargs={"attn_implementation": "someone/kernel"}),
        error(TypeError, model_kwargs={"never_heard_of": 1}),
        error(CheckpointError, model_kwargs=[1]),
    ],
    "model_args": [same(model_args={"torch_dtype": "float32"})],
    "processor_kwargs": [
        changes(processor_kwargs={"model_max_length": 9}),
        changes(processor_kwargs={"do_lower_case": True}),
        changes(processor_kwargs={"truncation_side": "left"}),
        error(UnsupportedError, processor_kwargs={"vocab_file": "/etc/passwd"}),
    ],
    "tokenizer_args": [changes(tokenizer_args={"model_max_length": 9, "trust_remote_code": True})],
    "config_kwargs": [
        changes(config_kwargs={"num_hidden_layers": 1}),
        same(config_kwargs={"hidden_dropout_prob": 0.5}),
    ],
    "config_args": [changes(config_args={"layer_norm_eps": 0.1})],
    "processing_kwargs": list(itertools.chain.from_iterable(PROCESSING.values())),
    "backend": [same(backend="onnx")],
    "cache_dir": [same(cache_dir="x")],
    "modality_config": [
        same(**TEXT),
        error(UnsupportedError, **{**TEXT, "modality_config": {"text": FORWARD, "message": FORWARD}}),
        error(UnsupportedError, **{**TEXT, "modality_config": {"image": FORWARD}}),
        error(UnsupportedError, **{**TEXT, "modality_config": {"text": {"method": "get_text_features"}}}),
        error(
            UnsupportedError,
            **{**TEXT, "modality_config": {"text": {**FORWARD, "method_output_name": "pooler_output"}}},
        ),
    ],
    "module_output_name": [
        same(module_output_name="sentence_embedding"),  # alone, it is not read
        error(UnsupportedError, **{**TEXT, "module_output_name": "sentence_embedding"}),
    ],
    "unpad_inputs": [same(unpad_inputs=False)],
    "query_length": [changes(query_length=5), error(CheckpointError, query_length="5")],
    "document_length": [changes(document_length=5), error(CheckpointError, document_length=0)],
    "query_expansion": [
        same(query_expansion=None),
        error(UnsupportedError, query_expansion={"strategy": "fixed", "length": 32}),
    ],
    "max_seq_length": [changes(max_seq_length=12), error(CheckpointError, max_seq_length=0)],
    "do_lower_case": [changes(do_lower_case=True), error(CheckpointError, do_lower_case="yes")],
    "tokenizer_name_or_path": [error(UnsupportedError, tokenizer_name_or_path="/elsewhere")],
}

CONFIG = {
    "model_type": [same(model_type="SentenceTransformer"), changes(model_type="CrossEncoder")],
    "__version__": [same(__version__={"sentence_transformers": "99.0", "transformers": "99.0"})],
    "requirements": [same(requirements={})],
    "prompts": [
        changes(prompts={"query": "question: ", "passage": "p: "}),
        changes(prompts={"document": "d: ", "query": None}),
        error(CheckpointError, prompts={"query": 1}),
    ],
    "default_prompt_name": [
        same(default_prompt_name="query"),
        changes(prompts={"x": "x: "}, default_prompt_name="x"),
        error(CheckpointError, default_prompt_name="x"),
    ],
    "similarity_fn_name": [same(similarity_fn_name="dot"), same(similarity_fn_name="maxsim")],
    "truncate_dim": [changes(truncate_dim=5), error(CheckpointError, truncate_dim=0)],
}

POOLING = {
    "pooling_mode": [
        changes(pooling_mode="cls"),
        changes(pooling_mode=["mean", "lasttoken"]),
        error(CheckpointError, pooling_mode="median"),
    ],
    "include_prompt": [same(include_prompt=False)],  # without prompts; with them: test_sentence_encoder
    "embedding_dimension": [same(embedding_dimension=WIDTH)],
    "word_embedding_dimension": [same(word_embedding_dimension=WIDTH)],
    **{
        name: [(same if mode == "mean" else changes)(pooling_mode=..., **{name: True})]
        for name, mode in pooling._LEGACY_POOLING_MODE_KWARGS.items()
    },
}

MODULES = {
    "idx": [same(idx=7)],
    "name": [error(CheckpointError, name="all the same"), error(CheckpointError, name=1)],
    "path": [error(CheckpointError, path="../x"), error(CheckpointError, path=None)],
    "type": [error(UnsupportedError, type="os.system"), error(CheckpointError, type=1)],
    "kwargs": [same(kwargs=[]), error(UnsupportedError, kwargs=["task"])],
}

NORMALIZE = {
    "module_input_name": [
        changes(module_input_name="sentence_embedding"),
        error(UnsupportedError, module_input_name="token_embeddings"),
    ],
    "module_output_name": [
        changes(module_output_name="sentence_embedding"),
        error(UnsupportedError, module_output_name="other"),
    ],
}

FILES = {
    "sentence_bert_config.json": SENTENCE_BERT,
    "config_sentence_transformers.json": CONFIG,
    "1_Pooling/config.json": POOLING,
    "2_Normalize/config.json": NORMALIZE,
    "modules.json": MODULES,
}


def parameters(function):
    return {
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in ("self", "model_name_or_path")
        and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    }


def read_from(variable, *functions):
    """Keys that the source of functions takes out of a dict of that name."""
    source = "".join(map(inspect.getsource, functions))
    found = re.findall(rf'\b{variable}(?:\.get\(|\.pop\(|\[)\s*"(\w+)"', source)
    return {*found, *re.findall(rf'"(\w+)" in {variable}\b(?!\[)', source)}


def known_to_the_reference():
    """The keys of each file, as the reference's code has them."""
    wrapper = inspect.getsource(inspect.getmodule(Transformer.__init__.__wrapped__))
    assert "transformer_kwargs_decorator" in wrapper
    decorator = inspect.getsource(
        sys.modules["sentence_transformers.util.decorators"].transformer_kwargs_decorator
    )
    older = {*re.findall(r'"(\w+_args)":', decorator), *re.findall(r'kwargs\.pop\("(\w+)"\)', decorator)}
    config = read_from(
        "model_config",
        BaseModel._load_config_modules, BaseModel._parse_model_config,
        SentenceTransformer._parse_model_config,
    ) | read_from("config", BaseModel._get_model_type, SentenceTransformer._get_model_config)  # fmt: skip
    saved = set(re.findall(r'^\s+"(\w+)":', inspect.getsource(BaseModel._get_model_config), re.MULTILINE))
    saved -= {"sentence_transformers", "transformers", "pytorch"}  # versions, within one
    modules = read_from("module_config", BaseModel._load_config_modules, BaseModel.save)
    modules |= set(
        re.findall(r'"(\w+)": ', re.search(r"module_config = \{.*\}", inspect.getsource(BaseModel.save))[0])
    )
    legacy = set(pooling._LEGACY_POOLING_MODE_KWARGS)
    return {
        "sentence_bert_config.json": parameters(Transformer.__init__) | set(Transformer.config_keys) | older,
        "config_sentence_transformers.json": config | saved,
        "1_Pooling/config.json": parameters(Pooling.__init__) | set(Pooling.config_key_renames) | legacy,
        "2_Normalize/config.json": parameters(Normalize.__init__) | set(Normalize.config_keys),
        "modules.json": modules,
    }


def test_no_key_is_missing():
    for file, keys in known_to_the_reference().items():
        assert keys == set(FILES[file]), file
    assert set(PROCESSING) == Transformer._VALID_PROCESSING_KWARGS_KEYS
    assert set(
        re.findall(r"sentence_[\w-]+_config\.json", inspect.getsource(Transformer.load_config))
    ) == set(NAMES)


def test_reasons():
    for kind in (*FILES.keys() & WITHOUT_EFFECT.keys(), "Pooling", "Normalize", "processing_kwargs"):
        for name, reason in WITHOUT_EFFECT[kind].items():
            assert len(reason.split()) > 2, (kind, name)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return SentenceFolder(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def plain(template):
    """What the reference gives for the folder as it is."""
    return assert_same(template.ours(), template.theirs())


@pytest.fixture
def folder(template, tmp_path):
    copy = object.__new__(SentenceFolder)
    copy.path = tmp_path / "model"
    shutil.copytree(template.path, copy.path)
    return copy


def walk():
    for file, keys in FILES.items():
        for key, cases in keys.items():
            for case in cases:
                yield pytest.param(file, key, case, id=f"{file}-{case}")


@pytest.mark.parametrize(("file", "key", "case"), list(walk()))
def test_every_key(folder, plain, file, key, case):
    if file == "modules.json":
        folder.modules("Transformer", "Pooling", **case.settings)
    else:
        folder.change(file, **case.settings)
    if file == "2_Normalize/config.json":
        folder.modules("Transformer", "Pooling", "Normalize")
    if not isinstance(case.outcome, str):
        with pytest.raises(case.outcome, match=key.replace("args", "(kw)?args")) as raised:
            folder.ours()
        assert str(folder.path) in str(raised.value), "the message names the file"
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*fastplm does not know.*")
        ours = folder.ours()
    theirs = folder.theirs()
    want = assert_same(ours, theirs)
    assert ours.get_embedding_dimension() == theirs.get_embedding_dimension()
    assert ours.similarity_fn_name == theirs.similarity_fn_name
    assert ours.max_seq_length == theirs.max_seq_length
    changed = want.shape != plain.shape or bool(np.abs(want - plain).max() > 1e-3)
    assert changed == (case.outcome == "changes")


@pytest.mark.parametrize("file", FILES)
def test_one_warning_for_an_unknown_key(folder, file):
    folder.modules(
        "Transformer", "Pooling", "Normalize", **({"nonsense": 1} if file == "modules.json" else {})
    )
    if file != "modules.json":
        folder.change(file, nonsense=1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        folder.ours()
        folder.ours()
    messages = [str(w.message) for w in caught]
    assert len(messages) == 1 and "nonsense" in messages[0] and str(folder.path / file) in messages[0]


@pytest.mark.parametrize("arguments", [{"text": {"nonsense": 1}}, {"nonsense": {}}])
def test_one_warning_for_an_unknown_processing_argument(folder, arguments):
    folder.change("sentence_bert_config.json", processing_kwargs=arguments)
    with pytest.warns(UserWarning, match="nonsense") as caught:
        folder.ours()
    assert len(caught) == 1


@pytest.mark.parametrize("name", NAMES)
def test_older_names_of_the_file(folder, plain, name):
    (folder.path / "sentence_bert_config.json").unlink()
    folder.write("sentence_bert_config.json")  # says nothing, so that the next one counts
    folder.write(name, max_seq_length=9)
    want = assert_same(folder.ours(), folder.theirs())
    assert np.abs(want - plain).max() > 1e-3


def test_the_first_file_counts(folder):
    for length, name in enumerate(NAMES, start=5):
        folder.write(name, max_seq_length=length)
    assert folder.ours().max_seq_length == folder.theirs().max_seq_length == 5


def test_several_normalize(folder, plain):
    folder.modules("Transformer", "Pooling", "Normalize", "Normalize")
    ours, theirs = folder.ours(), folder.theirs()
    assert len(ours) == len(theirs) == 4
    assert np.allclose(np.linalg.norm(assert_same(ours, theirs), axis=-1), 1)


def test_without_modules_other_files_do_not_count(folder):
    (folder.path / "modules.json").unlink()
    folder.change("config_sentence_transformers.json", prompts={"query": "question: "}, truncate_dim=3)
    ours, theirs = folder.ours(), folder.theirs()
    assert_same(ours, theirs)
    assert ours.prompts == theirs.prompts == {"query": "", "document": ""}


def test_last_token_of_a_causal_model(folder, caplog):
    (folder.path / "modules.json").unlink()
    folder.change("config.json", architectures=["BertForCausalLM"])
    assert_same(folder.ours(), folder.theirs())
    assert "lasttoken" in caplog.text


def test_chat_template_without_modules(folder):
    """The reference would render every text as a chat."""
    (folder.path / "chat_template.jinja").write_text(
        "{% for m in messages %}hello {{ m.content }}{% endfor %}"
    )
    assert_same(folder.ours(), folder.theirs())
    (folder.path / "modules.json").unlink()
    with pytest.raises(UnsupportedError, match="chat template"):
        folder.ours()


@pytest.mark.parametrize(
    "normalizer",
    [None, normalizers.NFD(),
     normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex("l+"), "L")]),
     normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()]), normalizers.Lowercase(),
     normalizers.BertNormalizer(lowercase=True), normalizers.BertNormalizer(lowercase=False)],
    ids=str,
)  # fmt: skip
def test_lower_case_comes_before_other_normalizers(folder, normalizer):
    """And special tokens keep their capitals."""
    tokenizer = Tokenizer.from_file(str(folder.path / "tokenizer.json"))
    tokenizer.normalizer = normalizer or normalizers.Sequence([])
    tokenizer.save(str(folder.path / "tokenizer.json"))
    folder.change("tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")
    folder.change("sentence_bert_config.json", do_lower_case=True)
    ours, theirs = folder.ours(), folder.theirs()
    texts = [*TEXTS, "ΟΔΟΣ ΣΑΣ", "İstanbul ÀÉ"]
    assert [ours.tokenizer.tokenize(text) for text in texts] == [
        theirs.tokenizer.tokenize(text) for text in texts
    ]
    assert_same(ours, theirs)


def test_a_lowercasing_bert_normalizer_needs_no_lowercase():
    """For every character the two together give what the one gives, so nothing is added before it."""
    characters = [chr(c) for c in range(sys.maxunicode + 1) if not 0xD800 <= c < 0xE000]
    lower = normalizers.Lowercase()
    for strip in (None, False):
        bert = normalizers.BertNormalizer(lowercase=True, strip_accents=strip)
        text = "".join(characters)
        both = bert.normalize_str(lower.normalize_str(text))
        assert both == bert.normalize_str(text)


@pytest.mark.parametrize("family", ["roberta", "mpnet", "modernbert", "t5"])
def test_other_families(tmp_path, family):
    folder = SentenceFolder(tmp_path / "model", family)
    if family == "t5":
        folder.change("1_Pooling/config.json", word_embedding_dimension=19)
    assert_same(folder.ours(), folder.theirs())


def test_the_encoder_of_a_whole_t5(tmp_path):
    """A checkpoint with a decoder: its encoder is meant, whatever class saved it."""
    import transformers

    folder = SentenceFolder(tmp_path / "model", "t5")
    folder.change("1_Pooling/config.json", word_embedding_dimension=19)
    config = transformers.T5Config.from_pretrained(folder.path)
    config.num_decoder_layers = 2
    for kind in (transformers.T5ForConditionalGeneration, transformers.T5Model):
        whole = kind(config)
        (folder.path / "model.safetensors").unlink()
        whole.save_pretrained(folder.path)
        assert_same(folder.ours(), folder.theirs())


def test_no_limit(tmp_path):
    folder = SentenceFolder(tmp_path / "model", "t5")
    folder.write("sentence_bert_config.json")
    ours, theirs = folder.ours(), folder.theirs()
    assert ours.max_seq_length == theirs.max_seq_length == ours.get_max_seq_length() == int(1e30)


@pytest.mark.parametrize("name", ["Qwen3Model", "Gemma3TextModel"])
@pytest.mark.parametrize("mode", ["lasttoken", "mean", "weightedmean"])
def test_embeddings_of_a_decoder(name, mode, tmp_path):
    """Of one that sees the earlier tokens, and of one that sees them all."""
    folder = SentenceFolder(tmp_path)
    extra = {"use_bidirectional_attention": True} if name == "Gemma3TextModel" else {}
    vocabulary = len(folder.theirs().tokenizer)
    save_class(name, tmp_path, Tiny(vocab=vocabulary, extra=extra))
    folder.write("1_Pooling/config.json", word_embedding_dimension=WIDTH, pooling_mode=mode)
    assert_same(folder.ours(), folder.theirs(model_kwargs={"attn_implementation": "eager"}))
