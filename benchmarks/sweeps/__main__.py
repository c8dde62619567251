"""`make bench-sweeps`: sweeps by labkit and by its peers, in turn, with medians and ratios.

    python -m benchmarks.sweeps                         every work, three rounds (needs LABKIT_DATA; over an hour)
    python -m benchmarks.sweeps kth peaks --rounds 5    two of them
    python -m benchmarks.sweeps --smoke --rounds 1      tiny sizes: whether all peers do the same work (minutes)
    python -m benchmarks.sweeps kth --peers labkit jax --launchers population basic

Exit code 1 where a peer failed or did other work than labkit.
"""

from __future__ import annotations

import argparse
import os
import sys

from benchmarks.sweeps.rounds import Bench, Measured, Peer, interleaved, peers
from benchmarks.sweeps.sklearn_mlp import expresses
from benchmarks.sweeps.table import lines
from benchmarks.sweeps.verdict import Verdict, judge
from benchmarks.sweeps.work import WORKS, Work, chosen


def main() -> int:
    """The works named on the command line; how many checks failed decides the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweeps")
    parser.add_argument("works", nargs="*", metavar="work", help=f"of {', '.join(WORKS)}; none: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, to see that everything works")
    parser.add_argument("--peers", nargs="+", default=[], help="only those whose name begins so")
    parser.add_argument("--launchers", nargs="+", default=[None], help="labkit's; default: that of its config.yaml")
    given = parser.parse_args()
    unknown = [name for name in given.works if name not in WORKS]
    if unknown:
        parser.error(f"work: found {unknown[0]}, expected one of {', '.join(WORKS)}")
    if "LABKIT_DATA" not in os.environ:
        parser.error("set LABKIT_DATA to the folder with CIFAR-10, MNIST and Peaks")
    wished = [peer for peer in peers(given.launchers) if _wished(peer, given.peers)]
    problems = [bench(chosen(name, given.smoke), wished, given.rounds, given.smoke) for name in given.works or WORKS]
    return 1 if any(problems) else 0


def _wished(peer: Peer, names: list[str]) -> bool:
    return not names or any(peer.name.lower().startswith(name.lower()) for name in names)


def _possible(work: Work, peer: Peer) -> bool:
    """Say why a peer is left out, if it is."""
    reason = peer.missing()
    if not reason and peer.module == "sklearn_mlp" and not expresses(work):
        reason = "cannot express this trial"
    if reason:
        print(f"  {peer.name}: left out, {reason}", flush=True)
    return not reason


def bench(work: Work, wished: list[Peer], rounds: int, smoke: bool) -> int:
    """Measure one work, print its table, and return how many problems there were."""
    print(f"\n{work.title}: {len(work.values)} trials of {work.key}", flush=True)
    bench = Bench(work, smoke)
    try:
        updates = bench.start.updates
        print(f"  {updates:,} updates a trial, evaluated {len(bench.start.evaluations)} times", flush=True)
        taking_part = {peer.name: (peer, bench.threads(peer)) for peer in wished if _possible(work, peer)}
        measured, failed = _measured(bench, taking_part, rounds)
    finally:
        bench.close()
    if not measured:
        return failed
    verdicts = _verdicts(work, bench, {name: taking_part[name][0] for name in measured}, measured)
    threads = {name: taking_part[name][1] for name in measured}
    print("\n".join(lines(work, updates, measured, threads, verdicts)), flush=True)
    return failed + sum(len(verdict.problems) for verdict in verdicts.values())


def _measured(
    bench: Bench, taking_part: dict[str, tuple[Peer, int]], rounds: int
) -> tuple[dict[str, list[Measured]], int]:
    """All rounds of the peers that came through, in their order in the table; and how many did not."""
    measured: dict[str, list[Measured]] = {name: [] for name in taking_part}
    for peer, found in interleaved(bench, taking_part, rounds):
        if isinstance(found, str):
            print(f"  {peer.name}: FAILED\n{found}", flush=True)
            del measured[peer.name]
        else:
            measured[peer.name].append(found)
            print(f"  {peer.name:<24}{found.report.total:8.2f} s", flush=True)
    return measured, len(taking_part) - len(measured)


def _verdicts(
    work: Work, bench: Bench, taking_part: dict[str, Peer], measured: dict[str, list[Measured]]
) -> dict[str, Verdict]:
    """Of the last round, against the first peer's: labkit in float32, where it takes part."""
    reference = next(iter(measured.values()))[-1].histories
    return {
        name: judge(
            work,
            bench.start.evaluations.tolist(),
            measured[name][-1].histories,
            reference,
            work.tolerance if peer.precision == "float32" else work.bfloat16,
            peer.own_start,
        )
        for name, peer in taking_part.items()
    }


if __name__ == "__main__":
    sys.exit(main())
