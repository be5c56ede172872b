"""Measure missing figures and fill the documents: `python -m benchmarks.tables [--list] [--again NAME ...]`.

Makes the runs that are missing, or that were made with other weights than the manifest's, and only with those (with
--again those that it names, whole, and no others); then writes the tables into the documents. Runs marked
"timed" want a machine that does nothing else.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence

from benchmarks.report import text_table
from benchmarks.tables.documents import update
from benchmarks.tables.results import ROOT, is_due, make, state
from benchmarks.tables.runs import RUNS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 1 if a run failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="only show all runs, their state and rough minutes")
    parser.add_argument("--again", nargs="+", choices=["all", *RUNS], metavar="NAME", help="make only these")
    parser.add_argument("--only-documents", action="store_true", help="make no run")
    options = parser.parse_args(arguments)
    if options.list:
        rows = [[name, state(name), f"{run.minutes}", "timed" if run.timed else ""] for name, run in RUNS.items()]
        print(text_table(["run", "state", "minutes", ""], rows))
        return 0
    failed = []
    named = RUNS if options.again and "all" in options.again else options.again
    for name in [] if options.only_documents else named or filter(is_due, RUNS):
        print(f"{name}: {state(name)}, about {RUNS[name].minutes} minutes", flush=True)
        try:
            make(name, again=bool(named))
        except (subprocess.CalledProcessError, ValueError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            failed.append(name)
    try:
        for path in update():
            print(f"written: {path.relative_to(ROOT)}")
    except (ValueError, OSError) as error:  # a run was never made
        print(f"error: {error}", file=sys.stderr)
        return 1
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
