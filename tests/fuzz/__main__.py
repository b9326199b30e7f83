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
    add = parser.add_argument
    add("--family", choices=FAMILIES, action="append", help="may be repeated; all unless given")
    add("--only", default="", help="tokenizers with this in their path")
    add("--count", type=int, help="texts for each family; 10,000 for each tokenizer unless given")
    add("--seed", default="0")
    add("--jobs", type=int, default=1, help="threads of each engine")
    add("--level", default="scalar", help='compare this FASTPLM_ISA too; "none" for no other')
    add("--small", action="store_true", help="small vocabularies, even with FASTPLM_TEST_DATA")
    add("--every", type=int, default=16, help="compare all fields of one text in so many")
    add("--pipelines", type=int, help="at most so many made tokenizers for each family")
    add("--save", type=Path, default=Path("build/fuzz"), help="where failing texts are saved")
    return parser.parse_args()


def main() -> int:
    arguments = _arguments()
    os.environ["RAYON_NUM_THREADS"] = os.environ["FASTPLM_NUM_THREADS"] = str(arguments.jobs)
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if arguments.jobs > 1 else "false"

    from tests.fuzz.families import FAMILIES, tokenizer_files
    from tests.fuzz.run import Counts, fuzz, real_lines
    from tests.fuzz.texts import LINES

    named = os.environ.get("FASTPLM_TEST_DATA")
    data = Path(named) if named and not arguments.small else None
    lines = LINES if data is None else real_lines(data)
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for family in arguments.family or FAMILIES:
            start, counts, shown = time.perf_counter(), Counts(), 0
            made = tokenizer_files(family, Path(folder), data, arguments.seed, pipelines=arguments.pipelines)
            paths = [path for path in made if arguments.only in str(path)]
            for counts in fuzz(
                paths,
                arguments.count // len(paths) if arguments.count else 10_000,
                seed=f"{arguments.seed}/{family}",
                level=None if arguments.level == "none" else arguments.level,
                every=arguments.every,
                lines=lines,
            ):
                for difference in counts.differences[shown:]:
                    print(f"DIFFERENT {difference}\n  saved as {difference.save(arguments.save)}", flush=True)
                shown = len(counts.differences)
            failed |= bool(counts.differences)
            print(f"{family}: {counts}, {time.perf_counter() - start:.0f} s", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
