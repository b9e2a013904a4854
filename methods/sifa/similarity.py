r"""Similarity of molecular graphs: distance from the training molecules.

The fingerprint of a molecule is the set of the environments of its atoms out to two bonds, each written as a
Weisfeiler-Lehman hash of elements and bonds. Two fingerprints are compared by

.. math::  T(A, B) = \frac{|A \cap B|}{|A \cup B|}

which is 1 for equal sets. The ring system of a molecule is what remains when atoms with one bond are removed
again and again (its 2-core): the scaffold of Bemis and Murcko without double bonds that leave it.

References
----------
Rogers and Hahn (2010), Extended-connectivity fingerprints, J. Chem. Inf. Model. 50. Bemis and Murcko (1996),
J. Med. Chem. 39. Sheridan et al. (2004), J. Chem. Inf. Comput. Sci. 44: the error of a model grows with the
distance from its training set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from methods.sifa.graph_environments import FACTS

if TYPE_CHECKING:
    import networkx as nx

Floats = NDArray[np.float64]
RADIUS = 2
"""Bonds from an atom to the end of its largest environment."""


def molecule_graphs(x: Floats) -> list[nx.Graph]:
    """Return each molecule as a graph with the attributes `atom` and `bond`.

    Parameters
    ----------
    x : (n, places, 7 + places) array
        As for `graph_environments.graphs`: facts of each atom, then the codes of its bonds.
    """
    import networkx as nx

    graphs = []
    for atoms in np.asarray(x).round().astype(np.int64):
        graph: nx.Graph = nx.Graph()
        for place in np.flatnonzero(atoms[:, 0]):
            graph.add_node(int(place), atom=" ".join(map(str, atoms[place, :FACTS])))
        for i, j in zip(*np.nonzero(np.triu(atoms[:, FACTS:])), strict=True):
            graph.add_edge(int(i), int(j), bond=str(atoms[i, FACTS + j]))
        graphs.append(graph)
    return graphs


def fingerprint(graph: nx.Graph) -> frozenset[str]:
    """Return the environments of the atoms of a molecule, out to `RADIUS` bonds."""
    import networkx as nx

    hashes = nx.weisfeiler_lehman_subgraph_hashes(
        graph, edge_attr="bond", node_attr="atom", iterations=RADIUS, include_initial_labels=True
    )
    return frozenset(name for names in hashes.values() for name in names)


def ring_system(graph: nx.Graph) -> str:
    """Return a hash of the 2-core of a molecule; one for all without a ring."""
    import networkx as nx

    core = nx.k_core(graph, 2)
    elements = {node: core.nodes[node]["atom"].partition(" ")[0] for node in core}
    nx.set_node_attributes(core, elements, "element")
    return str(nx.weisfeiler_lehman_graph_hash(core, edge_attr="bond", node_attr="element", iterations=4))


def nearest(first: Sequence[frozenset[str]], second: Sequence[frozenset[str]]) -> Floats:
    """Return the largest similarity of each set to one of the others.

    Parameters
    ----------
    first, second : sequence of frozenset
        Fingerprints; `second` has at least one. Two empty sets have similarity 1.

    Returns
    -------
    (len(first),) float
        0 to 1.
    """
    from scipy.sparse import csr_array

    columns = {name: place for place, name in enumerate(sorted(set().union(*first, *second)))}

    def occurrences(sets: Sequence[frozenset[str]]) -> csr_array:
        index = [columns[name] for names in sets for name in names]
        ends = np.cumsum([0, *map(len, sets)])
        return csr_array((np.ones(len(index)), index, ends), shape=(len(sets), len(columns)))

    common = (occurrences(first) @ occurrences(second).T).toarray()
    sizes = np.array([*map(len, first)])[:, None], np.array([*map(len, second)])[None, :]
    union = sizes[0] + sizes[1] - common
    result: Floats = np.where(union > 0, common / np.maximum(union, 1), 1.0).max(axis=1)
    return result


def nearest_other(sets: Sequence[frozenset[str]]) -> Floats:
    """Return the largest similarity of each set to another one of the same list."""
    return np.array([nearest([one], [*sets[:i], *sets[i + 1 :]])[0] for i, one in enumerate(sets)])
