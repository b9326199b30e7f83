"""Writes cpp/text/regex/regex_tables.inl.h from measurements of the reference's regex and pre-tokenizers.

    python scripts/make_regex_tables.py [--check]

Asks the installed `tokenizers` for the members of every property, over all scalar values: each follows a
Unicode version of its own, so no Unicode data file says the same. --check only compares.
"""

from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path

from table_file import wrap, write_or_check
from tokenizers import Regex, normalizers, pre_tokenizers

TARGET = Path(__file__).resolve().parent.parent / "cpp/text/regex/regex_tables.inl.h"
SCALARS = "".join(map(chr, (*range(0xD800), *range(0xE000, 0x110000))))

CATEGORIES = {
    "Lu": "Uppercase_Letter", "Ll": "Lowercase_Letter", "Lt": "Titlecase_Letter", "Lm": "Modifier_Letter",
    "Lo": "Other_Letter", "Mn": "Nonspacing_Mark", "Mc": "Spacing_Mark", "Me": "Enclosing_Mark", "Nd":
    "Decimal_Number", "Nl": "Letter_Number", "No": "Other_Number", "Pc": "Connector_Punctuation", "Pd":
    "Dash_Punctuation", "Ps": "Open_Punctuation", "Pe": "Close_Punctuation", "Pi": "Initial_Punctuation",
    "Pf": "Final_Punctuation", "Po": "Other_Punctuation", "Sm": "Math_Symbol", "Sc": "Currency_Symbol",
    "Sk": "Modifier_Symbol", "So": "Other_Symbol", "Zs": "Space_Separator", "Zl": "Line_Separator", "Zp":
    "Paragraph_Separator", "Cc": "Control", "Cf": "Format", "Co": "Private_Use", "Cn": "Unassigned",
}  # fmt: skip

SCRIPTS = """
Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak Bengali Bhaiksuki
Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian Chakma Cham Cherokee
Chorasmian Common Coptic Cuneiform Cypriot Cypro_Minoan Cyrillic Deseret Devanagari Dives_Akuru Dogra
Duployan Egyptian_Hieroglyphs Elbasan Elymaic Ethiopic Garay Georgian Glagolitic Gothic Grantha Greek
Gujarati Gunjala_Gondi Gurmukhi Gurung_Khema Han Hangul Hanifi_Rohingya Hanunoo Hatran Hebrew Hiragana
Imperial_Aramaic Inherited Inscriptional_Pahlavi Inscriptional_Parthian Javanese Kaithi Kannada Katakana
Kawi Kayah_Li Kharoshthi Khitan_Small_Script Khmer Khojki Khudawadi Kirat_Rai Lao Latin Lepcha Limbu
Linear_A Linear_B Lisu Lycian Lydian Mahajani Makasar Malayalam Mandaic Manichaean Marchen Masaram_Gondi
Medefaidrin Meetei_Mayek Mende_Kikakui Meroitic_Cursive Meroitic_Hieroglyphs Miao Modi Mongolian Mro Multani
Myanmar Nabataean Nag_Mundari Nandinagari New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong Ogham Ol_Chiki
Ol_Onal Old_Hungarian Old_Italic Old_North_Arabian Old_Permic Old_Persian Old_Sogdian Old_South_Arabian
Old_Turkic Old_Uyghur Oriya Osage Osmanya Pahawh_Hmong Palmyrene Pau_Cin_Hau Phags_Pa Phoenician
Psalter_Pahlavi Rejang Runic Samaritan Saurashtra Sharada Shavian Siddham SignWriting Sinhala Sogdian
Sora_Sompeng Soyombo Sundanese Sunuwar Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet Takri
Tamil Tangsa Tangut Telugu Thaana Thai Tibetan Tifinagh Tirhuta Todhri Toto Tulu_Tigalari Ugaritic Unknown
Vai Vithkuqi Wancho Warang_Citi Yezidi Yi Zanabazar_Square
""".split()  # noqa: SIM905

# Properties that no union of categories gives, and sets of the pre-tokenizers.
BINARY = """
Alphabetic Uppercase Lowercase White_Space Ideographic Emoji Emoji_Presentation Emoji_Modifier
Emoji_Modifier_Base Emoji_Component Extended_Pictographic Punct Graph Print Word
""".split()  # noqa: SIM905


def members(property_: str, text: str = SCALARS) -> set[int]:
    """The characters of `text` that \\p{property} matches."""
    return set(map(ord, normalizers.Replace(Regex(rf"[^\p{{{property_}}}]+"), "").normalize_str(text)))


def is_numeric() -> set[int]:
    """What the pre-tokenizer Digits takes for a digit."""
    pieces = pre_tokenizers.Digits(individual_digits=False).pre_tokenize_str(
        "".join(f"a{c}" for c in SCALARS if c != "a")
    )
    return {ord(piece[0]) for piece, _ in pieces if not piece.startswith("a") and len(piece) == 1}


def pieces_begin(cut: pre_tokenizers.PreTokenizer, text: str) -> set[int]:
    return {begin for _, (begin, _) in cut.pre_tokenize_str(text)}


def pre_tokenizer_scripts() -> list[int]:
    """Per scalar value its script as the pre-tokenizer UnicodeScripts has it: a number that means nothing
    elsewhere, 0 for characters that belong to every script."""
    cut = pre_tokenizers.UnicodeScripts()
    latin, other = "a", "\u044f"
    begins = pieces_begin(cut, "".join(latin + c + other + c for c in SCALARS))
    any_script = {c for i, c in enumerate(SCALARS) if not {4 * i + 1, 4 * i + 3} & begins}
    definite = [c for c in SCALARS if c not in any_script]
    begins = pieces_begin(cut, "".join(definite))
    script_of: dict[str, int] = {}
    known: list[str] = []
    current = 0
    for i, c in enumerate(definite):
        if i in begins:
            # A piece begins where the representative's script is another one.
            trial = pieces_begin(cut, "".join(k + c for k in known))
            same = [n for n in range(len(known)) if 2 * n + 1 not in trial]
            assert len(same) <= 1
            if not same:
                known.append(c)
            current = same[0] + 1 if same else len(known)
        script_of[c] = current
    return [script_of.get(c, 0) for c in SCALARS]


def case_classes() -> list[list[int]]:
    """Characters that (?i) takes for each other, one by one."""
    cased = members("Cased") | members("Case_Ignorable")
    cased |= {ord(c) for c in SCALARS if c.lower() != c or c.upper() != c}
    text = "".join(map(chr, sorted(cased)))
    classes: dict[int, list[int]] = {}
    for c in sorted(cased):
        if c in classes:
            continue
        pieces = pre_tokenizers.Split(Regex(rf"(?i:\x{{{c:x}}})"), "removed", invert=True).pre_tokenize_str(
            text
        )
        found = sorted({ord(piece) for piece, _ in pieces if len(piece) == 1} | {c})
        if len(found) > 1:
            for member in found:
                classes[member] = found
    return sorted({tuple(v): v for v in classes.values()}.values())


def case_sequences() -> list[tuple[int, list[int]]]:
    """Characters that (?i) takes for several."""
    return sorted((ord(c), list(map(ord, c.casefold()))) for c in SCALARS if len(c.casefold()) > 1)


def runs(values: Iterable[int]) -> list[int]:
    """character << 8 | value, where the value changes. Surrogates have that of the character before them."""
    result, previous = [], -1
    for c, value in zip(SCALARS, values, strict=True):
        if value != previous:
            result.append(ord(c) << 8 | value)
            previous = value
    return result


def ranges(characters: set[int]) -> list[int]:
    """first, last, first, last, ... The surrogates between U+D7FF and U+E000 do not part them."""
    indices = sorted(c if c < 0xD800 else c - 0x800 for c in characters)
    result: list[int] = []
    for _, group in groupby(enumerate(indices), lambda pair: pair[1] - pair[0]):
        part = [i if i < 0xD800 else i + 0x800 for _, i in group]
        result += [part[0], part[-1]]
    return result


def by_character(sets: dict[str, set[int]], what: str) -> list[int]:
    """Per scalar value the number of the one set that has it."""
    table = dict.fromkeys(map(ord, SCALARS), -1)
    for i, (name, characters) in enumerate(sets.items()):
        for c in characters:
            assert table[c] < 0, f"{what} {name}: U+{c:04X} is in two"
            table[c] = i
    missing = [c for c, value in table.items() if value < 0]
    assert not missing, f"no {what} for U+{missing[0]:04X} and {len(missing) - 1} more"
    return list(table.values())


def render() -> str:
    categories = by_character({name: members(name) for name in CATEGORIES}, "category")
    unassigned = list(CATEGORIES).index("Cn")
    assigned = "".join(c for c, value in zip(SCALARS, categories, strict=True) if value != unassigned)
    scripts = {name: members(name, assigned if name != "Unknown" else SCALARS) for name in SCRIPTS}
    sets = {name: members(name) for name in BINARY} | {"pre_tokenizers' digits": is_numeric()}
    hexadecimal: Callable[[int], str] = lambda v: f"{v:#x}"  # noqa: E731
    sections = [
        "// clang-format off\n// Made by scripts/make_regex_tables.py: do not edit.",
        "constexpr PropertyName kCategories[] = {\n"
        + wrap(f'{{"{short}","{long}"}}' for short, long in CATEGORIES.items())
        + "\n};",
        "// character << 8 | index in kCategories, where it changes\nconstexpr uint32_t kCategoryRuns[] = {\n"
        + wrap(map(hexadecimal, runs(categories)))
        + "\n};",
        "constexpr const char* kScripts[] = {\n" + wrap(f'"{name}"' for name in SCRIPTS) + "\n};",
        "// character << 8 | index in kScripts\nconstexpr uint32_t kScriptRuns[] = {\n"
        + wrap(map(hexadecimal, runs(by_character(scripts, "script"))))
        + "\n};",
        "// character << 8 | script, of the pre-tokenizer UnicodeScripts; 0: of every script\n"
        "constexpr uint32_t kPieceScriptRuns[] = {\n"
        + wrap(map(hexadecimal, runs(pre_tokenizer_scripts())))
        + "\n};",
        "// first, last, first, last, ...",
        *(
            f"constexpr char32_t kSet{i}[] = {{\n{wrap(map(hexadecimal, ranges(characters)))}\n}};"
            for i, characters in enumerate(sets.values())
        ),
        "constexpr PropertySet kSets[] = {\n"
        + wrap(f'{{"{name}",kSet{i},std::size(kSet{i})}}' for i, name in enumerate(sets))
        + "\n};",
        "// a count, then that many characters that are the same without regard to case\n"
        "constexpr char32_t kCaseClasses[] = {\n"
        + wrap(f"{len(same)},{','.join(map(hexadecimal, same))}" for same in case_classes())
        + "\n};",
        "// a character, then what it is the same as without regard to case: two characters and 0, or three\n"
        "constexpr char32_t kCaseSequences[] = {\n"
        + wrap(f"{c:#x},{','.join(map(hexadecimal, [*to, 0][:3]))}" for c, to in case_sequences())
        + "\n};",
    ]
    return "\n\n".join(sections) + "\n"


if __name__ == "__main__":
    write_or_check(__doc__, TARGET, render)
