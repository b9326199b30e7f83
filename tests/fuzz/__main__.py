"""Differential fuzzing of the tokenizers: fastplm at two instruction sets, and `tokenizers`.

python -m tests.fuzz                                            10,000 texts for each tokenizer of each family
python -m tests.fuzz --family gpt2 --count 1000000 --seed 7     1,000,000 texts for the family, dealt out

With FASTPLM_TEST_DATA the tokenizers are real ones or have real vocabularies; without, small ones are
trained. The texts depend on the seed and the tokenizer only. The first difference of a tokenizer is made
small, printed and saved; the exit status is then 1.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path


def _arguments() -> argparse.Namespace:
    from tests.fuzz.families import FAMILIES

    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--family", choices=FAMILIES, action="append", help="may be repeated; all unless given"
    )
    parser.add_argument("--only", default="", help="tokenizers with this in their path")
    parser.add_argument(
        "--count", type=int, help="texts for each family; 10,000 for each tokenizer unless given"
    )
    parser.add_argument("--seed", default="0")
    parser.add_argument("--jobs", type=int, default=1, help="threads of each engine")
    parser.add_argument("--level", default="scalar", help='compare this FASTPLM_ISA too; "none" for no other')
    parser.add_argument(
        "--small", action="store_true", help="small vocabularies, even with FASTPLM_TEST_DATA"
    )
    parser.add_argument("--every", type=int, default=16, help="compare all fields of one text in so many")
    parser.add_argument("--pipelines", type=int, help="at most so many made tokenizers for each family")
    parser.add_argument("--save", type=Path, default=Path("build/fuzz"), help="where failing texts are saved")
    return parser.parse_args()


def main() -> int:
    arguments = _arguments()
    os.environ["RAYON_NUM_THREADS"] = os.environ["FASTPLM_NUM_THREADS"] = str(arguments.jobs)
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if arguments.jobs > 1 else "false"

    from tests.fuzz.compare import Comparison, Difference
    from tests.fuzz.families import FAMILIES, tokenizer_files
    from tests.fuzz.texts import LINES, Texts, decoded_pieces

    named = os.environ.get("FASTPLM_TEST_DATA")
    data = Path(named) if named and not arguments.small else None
    lines = LINES if data is None else real_lines(data)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for family in arguments.family or FAMILIES:
            paths = list(
                tokenizer_files(family, Path(folder), data, arguments.seed, pipelines=arguments.pipelines)
            )
            paths = [path for path in paths if arguments.only in str(path)]
            total = sampled = refused = 0
            start = time.perf_counter()
            for path in paths:
                count = arguments.count // len(paths) if arguments.count else 10_000
                level = None if arguments.level == "none" else arguments.level
                comparison = Comparison(path, level)
                reference = comparison.reference.tokenizer
                tokens = [token.content for token in reference.get_added_tokens_decoder().values()]
                seed = f"{arguments.seed}/{family}/{path.parent.name}/{path.stem}"
                texts = Texts(seed, decoded_pieces(reference, 20_000, seed), tokens, lines)
                try:
                    comparison.run(texts.blocks(count), arguments.every)
                except Difference as difference:
                    failed += 1
                    kept = difference.save(arguments.save)
                    print(f"DIFFERENT {difference}\n  saved as {kept}", flush=True)
                finally:
                    comparison.close()
                total += comparison.texts
                sampled += comparison.sampled
                refused += comparison.refused
            print(
                f"{family}: {len(paths)} tokenizers, {total:,} texts, all fields of {sampled:,}, {refused:,} refused by both, "
                f"{time.perf_counter() - start:.0f} s",
                flush=True,
            )
    return 1 if failed else 0


def real_lines(data: Path) -> list[str]:
    """Lines of real text, and those of every script."""
    from tests.fuzz.texts import LINES

    lines = list(LINES)
    for name in ("texts/blingfire_web_multilingual.txt", "wikitext2/test.txt", "books/wagahai_ja.txt"):
        lines += (data / name).read_text(encoding="utf-8").split("\n")[:4000]
    return lines


if __name__ == "__main__":
    sys.exit(main())
