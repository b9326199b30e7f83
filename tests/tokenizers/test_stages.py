"""The rules of each stage, one by one, on a small vocabulary. The reference confirms each answer."""

import pytest


def tokens(tok, text, **options):
    return tok(text, add_special_tokens=False, **options).tokens()


@pytest.fixture
def tok(load, settings, assert_same):
    """Changes sections of the settings; gives a function from text to tokens that asks the reference too."""

    def make(**sections):
        changed = dict(settings)
        for name, change in sections.items():
            changed[name] = {**settings[name], **change} if isinstance(change, dict) else change
        ours, reference = load(changed)

        def run(text):
            assert_same(ours, reference, [text])
            return tokens(ours, text)

        run.ours, run.reference = ours, reference
        return run

    return make


class TestBertNormalizer:
    def test_clean_text_drops_control_characters(self, tok):
        assert tok()("a\u0000\u200b\ufffd\u0007b") == ["a", "##b"]

    def test_clean_text_makes_white_space_a_space(self, tok):
        assert tok()("a\tb\nc\u00a0a\u3000b") == ["a", "b", "c", "a", "b"]

    def test_without_clean_text_control_characters_are_letters(self, tok):
        run = tok(normalizer={"clean_text": False})
        assert run("a\u0000b") == ["[UNK]"]
        assert run("a\u0085b\u000bc") == ["a", "b", "c"]  # white space that clean_text would have dropped

    def test_chinese_characters_stand_alone(self, tok):
        assert tok()("a中国b") == ["a", "中", "国", "b"]

    def test_chinese_characters_left_together(self, tok):
        assert tok(normalizer={"handle_chinese_chars": False})("中国") == ["中", "##国"]

    def test_kana_is_not_chinese(self, tok):
        assert tok()("まか") == ["ま", "##か"]

    def test_strip_accents(self, tok):
        assert tok()("Café CAFÉ cafe\u0301") == ["cafe", "cafe", "cafe"]
        assert tok()("が") == ["か"]

    def test_strip_accents_defaults_to_lowercase(self, tok):
        assert tok(normalizer={"lowercase": False})("café") == ["caf", "##é"]
        assert tok(normalizer={"lowercase": False, "strip_accents": True})("café") == ["cafe"]
        assert tok(normalizer={"lowercase": True, "strip_accents": False})("CAFÉ") == ["caf", "##é"]

    def test_lowercase_may_make_two_characters(self, tok):
        assert tok(normalizer={"strip_accents": False})("İ") == ["i", "##\u0307"]
        assert tok()("İ") == ["i"]

    def test_hangul_decomposes_into_letters(self, tok):
        run = tok()
        assert run("각") == ["ᄀ", "##ᅡ", "##ᆨ"]
        assert run.ours("각", return_offsets_mapping=True)["offset_mapping"][1:-1] == [(0, 1)] * 3

    def test_marks_that_stay_are_put_in_order(self, tok):
        run = tok(normalizer={"clean_text": False})
        for text in (
            "a\u0301\u302e",
            "a\u302e\u0301b",
            "\u302fa",
            "\u1d165\u1d16d\u0301x",
            "e\u0301\u302e\u0323 b\u302f\u302e",
        ):
            run(text)

    def test_null_normalizer_keeps_text(self, tok):
        assert tok(normalizer=None)("The the") == ["[UNK]", "the"]


class TestPreTokenizers:
    def test_bert_isolates_punctuation(self, tok):
        assert tok()("cat,sat!! a-b") == ["cat", ",", "sat", "!", "!", "a", "-", "b"]

    def test_bert_takes_ascii_symbols_for_punctuation(self, tok):
        assert tok()("a$b^c") == ["a", "[UNK]", "b", "[UNK]", "c"]

    def test_whitespace_splits_words_from_other_characters(self, tok):
        run = tok(pre_tokenizer={"type": "Whitespace"})
        assert run("cat,. !a") == ["cat", "[UNK]", "!", "a"]
        assert run("a²\u200db") == ["a", "²", "b"]

    def test_null_pre_tokenizer_sees_one_word(self, tok):
        assert tok(pre_tokenizer=None)("hello world") == ["[UNK]"]
        assert tok(pre_tokenizer=None)("hello") == ["hello"]


class TestWordPiece:
    def test_longest_first(self, tok):
        assert tok()("unaffordable sats catting") == [
            "un",
            "##afford",
            "##able",
            "sat",
            "##s",
            "cat",
            "##ting",
        ]

    def test_a_rest_without_token_makes_the_word_unknown(self, tok):
        assert tok()("catq unaffordablex") == ["[UNK]", "[UNK]"]

    def test_words_over_the_limit_are_unknown(self, tok):
        for limit in (0, 1, 3, 5, 100):
            run = tok(model={"max_input_chars_per_word": limit})
            for text in (
                "a",
                "cat",
                "cats",
                "hello",
                "unaffordable",
                "é" * 3,
                "中",
                "!",
                "a" + "b" * 98,
                "a" + "b" * 99,
                "a" + "b" * 100,
            ):
                run(text)
        assert tok(model={"max_input_chars_per_word": 3})("cat cats") == ["cat", "[UNK]"]

    @pytest.mark.parametrize("n", range(1, 12))
    def test_every_cut_of_a_short_word(self, tok, vocabulary, n):
        word = "qrxyzvwqxkjz"
        both = [word[:n], "##" + word[n:]]
        run = tok(model={"vocab": {**vocabulary, both[0]: 500, both[1]: 501}})
        assert run(word) == both
        assert run.ours.encode_packed([word], add_special_tokens=False)[0].tolist() == [500, 501]

    def test_another_prefix(self, tok, vocabulary):
        run = tok(
            model={"continuing_subword_prefix": "@", "vocab": {**vocabulary, "@x": 90, "cat@": 91, "@": 92}}
        )
        assert run("catx") == ["cat", "@x"]
        run("@x cat@")

    def test_empty_prefix(self, tok):
        assert tok(model={"continuing_subword_prefix": ""})("catsat") == ["cat", "sat"]

    def test_an_empty_token_never_matches(self, tok, vocabulary):
        run = tok(model={"vocab": {**vocabulary, "": 90, "##": 91}})
        assert run("catq cat") == ["[UNK]", "cat"]

    def test_missing_unknown_token_is_an_error_when_needed(self, settings, load, vocabulary):
        settings["model"]["vocab"] = {k: v for k, v in vocabulary.items() if k != "[UNK]"}
        settings["added_tokens"] = []
        ours, reference = load(settings)
        assert tokens(ours, "the cat") == ["the", "cat"]
        for text in ("xyz", "中文", "$"):
            with pytest.raises(ValueError, match=r"no \"\[UNK\]\""):
                ours.encode_packed([text])
            with pytest.raises(Exception, match="Missing"):
                reference.encode(text)
        assert tokens(ours, "the cat") == ["the", "cat"]

    def test_sparse_and_large_ids(self, tok, vocabulary):
        far = {**vocabulary, "cat": 2_000_000_000, "中": 1_900_000_000, "!": 600_000_000}
        assert tok(model={"vocab": far}).ours("cat中!", add_special_tokens=False)["input_ids"] == [
            2_000_000_000,
            1_900_000_000,
            600_000_000,
        ]
        tok(model={"vocab": far})("a cat, 中!!")

    def test_model_without_type(self, settings, load):
        del settings["model"]["type"]
        assert tokens(load(settings)[0], "cats") == ["cat", "##s"]


class TestWordLevel:
    def test_words_outside_the_vocabulary_are_unknown(self, tok, vocabulary):
        run = tok(model={"type": "WordLevel", "vocab": vocabulary})
        assert run("the cats sat, zzz") == ["the", "[UNK]", "sat", ",", "[UNK]"]

    def test_sparse_ids(self, tok, vocabulary):
        far = {**vocabulary, "cat": 2_000_000, "the": 1_900_000}
        run = tok(model={"type": "WordLevel", "vocab": far})
        assert run.ours("the cat", add_special_tokens=False)["input_ids"] == [1_900_000, 2_000_000]
        run("the cat sat")

    def test_missing_unknown_token_is_an_error_when_needed(self, tok):
        model = {"type": "WordLevel", "vocab": {"the": 0, "cat": 1}}
        run = tok(model=model, added_tokens=[], post_processor=None)
        assert run("the cat") == ["the", "cat"]
        with pytest.raises(ValueError, match=r"no \"\[UNK\]\""):
            run.ours("the cats")
        with pytest.raises(Exception, match="Missing"):
            run.reference.encode("the cats")


class TestPostProcessors:
    def test_template_types(self, settings, load, assert_same):
        template = settings["post_processor"]
        for i, piece in enumerate(template["pair"]):
            next(iter(piece.values()))["type_id"] = i + 3
        ours, reference = load(settings)
        assert_same(ours, reference, ["a b"], ["c"])
        assert_same(ours, reference, ["a b"], ["c"], add_special_tokens=False)

    def test_template_may_swap_the_sequences(self, settings, load, assert_same):
        template = settings["post_processor"]
        template["pair"] = [template["pair"][i] for i in (3, 2, 1, 0)]
        ours, reference = load(settings)
        assert_same(ours, reference, ["a b", ""], ["c", "cat"])
        reference.enable_truncation(5)
        assert_same(ours, reference, ["a b c a b c"], ["c b a"], truncation=True, max_length=5)

    def test_bert_processing(self, settings, load, assert_same):
        settings["post_processor"] = {"type": "BertProcessing", "cls": ["[CLS]", 2], "sep": ["[SEP]", 3]}
        ours, reference = load(settings)
        for special in (True, False):
            assert_same(ours, reference, ["a b", ""], add_special_tokens=special)
            assert_same(ours, reference, ["a b", ""], ["c", "cats"], add_special_tokens=special)

    def test_none(self, settings, load, assert_same):
        settings["post_processor"] = None
        ours, reference = load(settings)
        assert ours.num_special_tokens_to_add() == ours.num_special_tokens_to_add(pair=True) == 0
        assert_same(ours, reference, ["a b", ""])
        assert_same(ours, reference, ["a b", ""], ["c", ""])


class TestDecoders:
    @pytest.mark.parametrize("cleanup", [True, False])
    def test_word_piece(self, settings, load, cleanup):
        settings["decoder"]["cleanup"] = cleanup
        ours, reference = load(settings)
        for text in ("the cats sat, on mat. hello!", "unaffordable 's cat 's", "", "a - b ' c"):
            ids = reference.encode(text).ids
            for skip in (True, False):
                assert ours.decode(ids, skip_special_tokens=skip) == reference.decode(
                    ids, skip_special_tokens=skip
                )

    def test_contractions(self, settings, load):
        words = [" n't", "do", "'m", "##n't", "a do not b", " 've", " 're x"]
        start = len(settings["model"]["vocab"])
        settings["model"]["vocab"].update({word: start + i for i, word in enumerate(words)})
        ours, reference = load(settings)
        ids = list(range(start, start + len(words)))
        assert ours.decode(ids) == reference.decode(ids)

    def test_none_joins_with_spaces(self, settings, load):
        settings["decoder"] = None
        ours, reference = load(settings)
        ids = reference.encode("cats sat").ids
        assert (
            ours.decode(ids) == reference.decode(ids, skip_special_tokens=False) == "[CLS] cat ##s sat [SEP]"
        )
        assert ours.decode(ids, skip_special_tokens=True) == reference.decode(ids) == "cat ##s sat"

    def test_unknown_ids_are_left_out(self, settings, load):
        ours, reference = load(settings)
        assert ours.decode([5, 999_999, 6, 2**31]) == reference.decode([5, 999_999, 6, 2**31]) == "a b"

    def test_batches_arrays_and_single_ids(self, settings, load):
        np = pytest.importorskip("numpy")
        ours, _ = load(settings)
        assert ours.decode(8) == "the"
        assert ours.decode(np.array([8, 9])) == "the cat"
        assert (
            ours.batch_decode(np.array([[8, 9], [9, 8]]))
            == ours.decode([[8, 9], [9, 8]])
            == ["the cat", "cat the"]
        )
        assert ours.decode(ours("the cat, hello"), skip_special_tokens=True) == "the cat, hello"
        assert ours.convert_tokens_to_string(["cat", "##s"]) == "cats"
