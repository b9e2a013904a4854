"""The order of the stages of a run: which stages wait for which.

``dvc repro`` runs one stage after the other, in an order that only the declarations fix. A stage that
reads a file without declaring it works there because the file's producer comes first. So

- a stage whose reads have never been observed runs alone: after every earlier stage of that order, and
  before every later one;
- an observed stage and the producer of a file that it reads keep their order, declared or not;
- a stage that reads a file which no stage declares as an output runs alone;
- with one worker, every stage runs alone; with N workers, the declarations and what was learned count.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from statewright.planning.inputs import Producers
from statewright.request import AUTO
from statewright.workflow import Workflow


@dataclass(frozen=True)
class Ordering:
    """Constraints on the stages of a run.

    Parameters
    ----------
    order : tuple of str
        The stages in the order of ``dvc repro``.
    needs : mapping of str to frozenset of str
        Stage -> stages that must succeed before it, because it reads their outputs.
    follows : mapping of str to frozenset of str
        Stage -> earlier stages that must end before it, because it rewrites a file that they read.
    alone : frozenset of str
        Stages that run alone, in the order of ``dvc repro``.
    observed : frozenset of str
        Stages whose reads are known.
    """

    order: tuple[str, ...]
    needs: Mapping[str, frozenset[str]]
    follows: Mapping[str, frozenset[str]]
    alone: frozenset[str] = frozenset()
    observed: frozenset[str] = frozenset()

    def after(self) -> dict[str, set[str]]:
        """Return for each stage the stages that must end before it starts."""
        edges: dict[str, set[str]] = {}
        last: str | None = None
        since: list[str] = []
        for address in self.order:
            edges[address] = set(self.needs[address] | self.follows[address])
            if last is not None:
                edges[address].add(last)
            if address in self.alone:
                edges[address].update(since)
                last, since = address, []
            else:
                since.append(address)
        return edges

    def dependents(self, address: str) -> set[str]:
        """Return the stages that need `address`, directly or indirectly."""
        found = {address}
        for candidate in self.order:
            if self.needs[candidate] & found:
                found.add(candidate)
        return found - {address}

    def isolate(self, address: str) -> Ordering:
        """Return the ordering in which one more stage runs alone."""
        return replace(self, alone=self.alone | {address})


def order_stages(
    workflow: Workflow,
    work: Sequence[str],
    reads: Mapping[str, Collection[str]],
    observed: Iterable[str],
    workers: int | str,
    isolated: Collection[str] = (),
) -> Ordering:
    """Return the constraints on the stages of a run.

    Parameters
    ----------
    work : sequence of str
        Addresses of the stages to run, in the order of ``dvc repro``.
    reads : mapping of str to collection of str
        Stage -> files that it was seen to read.
    observed : iterable of str
        Stages whose reads are known for their current command.
    workers : int or str
        ``auto``, or the number of cores.
    isolated : collection of str
        Stages that always run alone.
    """
    place = {address: number for number, address in enumerate(work)}
    needs: dict[str, set[str]] = {a: set() for a in work}
    follows: dict[str, set[str]] = {a: set() for a in work}
    for address in work:
        for up in (up for up in workflow.upstream[address] if up in place):
            # `-s LATER EARLIER` runs them in this order, as DVC does.
            if place[up] < place[address]:
                needs[address].add(up)
            else:
                follows[up].add(address)
    producers = output_producers(workflow)
    for address in work:
        for producer in {p for path in reads.get(address, ()) for p in producers.of(path)}:
            if producer not in place or producer == address:
                continue
            if place[producer] < place[address]:
                needs[address].add(producer)
            else:
                follows[producer].add(address)
    known = frozenset(observed)
    alone = set(work) if workers == 1 else set(work) - known if workers == AUTO else set(work) & set(isolated)
    return Ordering(
        tuple(work),
        {a: frozenset(ups) for a, ups in needs.items()},
        {a: frozenset(ups) for a, ups in follows.items()},
        # A stage without a command opens no file of another stage.
        frozenset(a for a in alone if workers == 1 or workflow.stages[a].cmd),
        known,
    )


def output_producers(workflow: Workflow) -> Producers:
    """Return an index from outputs to the stages that write them."""
    producers = Producers()
    for address, stage in workflow.stages.items():
        for out in stage.outs:
            producers.add(out.path, address)
    return producers
