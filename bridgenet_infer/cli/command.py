"""The entry point of the command: it runs the pairs or the doctor, reports, and ends with the right exit code."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .console import plain_console
from .options import parse_options

if TYPE_CHECKING:
    from .process import Job

EXIT_OK, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 130  # argparse itself ends with 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns
    -------
    Its exit code, see `bridgenet-upsample --help`.
    """
    options = parse_options(arguments)
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")  # what a decoder rejects is said in our one line
    with plain_console(say):
        try:
            return run_doctor(options) if options.doctor else run_pairs(options)
        except KeyboardInterrupt:
            say("interrupted; run again to continue")
            return EXIT_INTERRUPTED
        except (OSError, ValueError, ImportError) as error:
            say(f"error: {' '.join(str(error).split())}")
            return EXIT_FAILED


def run_doctor(options: argparse.Namespace) -> int:
    """Check the installation, or a pair of files; 1 if something is wrong."""
    if options.rgb:
        from .doctor_pair import examine_pair

        return EXIT_FAILED if examine_pair(options) else EXIT_OK
    from .doctor import examine, format_findings

    findings = examine(options)
    print(json.dumps(findings, indent=2) if options.json else format_findings(findings))
    return EXIT_FAILED if findings["problems"] else EXIT_OK


def run_pairs(options: argparse.Namespace) -> int:
    """Work through the pairs; 1 if one of them failed, or several files claim to be one."""
    from tqdm import tqdm

    from .pairs import find_pairs
    from .report import as_document, errors, has_failed, in_words, misalignment

    job = make_job(options)
    pairs, left_out = find_pairs(job.options, job.scan)
    found, failed = {}, 0
    # a bar for people who watch a folder, not for logs
    with tqdm(total=len(pairs), unit="pair", disable=None if job.many else True) as bar:
        for outcome in job.run(pairs):
            found[outcome.pair] = outcome
            failed += outcome.status == "failed"
            bar.set_postfix(failed=failed, refresh=False)
            bar.update()
    outcomes = [found[pair] for pair in pairs]  # workers on Ray finish them in another order
    for line in errors(outcomes):
        say(f"error: {line}")
    if warning := misalignment(outcomes):
        say(f"warning: {warning}")
    if options.json:
        print(json.dumps(as_document(job, outcomes, left_out), indent=2))
    elif words := in_words(job, outcomes, left_out):
        print(words)
    return EXIT_FAILED if has_failed(outcomes, left_out) else EXIT_OK


def make_job(options: argparse.Namespace) -> Job:
    """The job that works through the pairs, in this process or by workers on Ray."""
    if options.ray:
        from .ray import RayJob

        return RayJob(options)
    from .process import Job

    return Job(options)


def say(line: str) -> None:
    """One line on stderr, with the command's name."""
    print(f"bridgenet-upsample: {line}", file=sys.stderr)
