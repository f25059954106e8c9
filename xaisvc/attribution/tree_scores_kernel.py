"""The compiled scoring of trees: all branches of a tree tested for many rows side by side."""

from __future__ import annotations

import numpy as np

from xaisvc.attribution.tree_vectors import trailing_zeros
from xaisvc.compiled import compiled

WORD = 32
"""Leaves in a word: a bit for each."""

BLOCK_ROWS = 256
"""Rows scored together: their columns and words stay in the first level of cache. The last block is filled up."""

NOT_AT_MOST, ABOVE, NOT_ABOVE, AT_MOST = 0, 1, 2, 3
"""When a branch's leaves on its true side are out of reach; they differ for missing values."""

_ALL = 0xFFFFFFFF


@compiled()
def list_clearings(laid, leaves, words):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 (compiled)
    """What each branch of a tree takes out of reach if its test fails, word by word.

    Args:
        laid: See `tree_paths.lay_out`; true sides come first, so that the leaves below an item are neighbours.
        leaves: Leaves of the tree.
        words: Words that they take.

    Returns:
        Node of the branch, int32; word, int32; bits of the leaves that stay, uint32; all (clearings,).
    """
    items = laid.shape[1]
    # Leaves before each item, and before what follows its true side.
    before = np.empty(items + 1, dtype=np.int64)
    before[items] = leaves
    for item in range(items - 1, -1, -1):
        before[item] = before[item + 1] - (laid[4, item] < 0)
    after_true = np.zeros(items, dtype=np.int64)
    for item in range(1, items):
        if laid[2, item] == 0:
            after_true[laid[1, item]] = before[item]
    most = items * words
    node, word, stay = np.empty(most, np.int32), np.empty(most, np.int32), np.empty(most, np.uint32)
    count = 0
    for item in range(items):
        if laid[4, item] < 0:
            continue
        first, last = before[item], after_true[item]
        for w in range(first // WORD, (last - 1) // WORD + 1):
            low, high = max(first - w * WORD, 0), min(last - w * WORD, WORD)
            gone = ((np.int64(1) << np.int64(high - low)) - 1) << np.int64(low)
            node[count], word[count], stay[count] = laid[0, item], w, _ALL ^ gone
            count += 1
    return node[:count].copy(), word[:count].copy(), stay[:count].copy()


@compiled()
def add_scores(  # type: ignore[no-untyped-def] # noqa: ANN201, C901, PLR0912, PLR0913, PLR0917 (compiled)
    matrix, columns, most_words,  # noqa: ANN001
    tree_clearing, tree_leaf, tree_words, column, threshold, kind, word, stay, leaf_value, totals,  # noqa: ANN001
):  # fmt: skip
    """Adds the values of the leaves that rows reach.

    Every leaf is a bit. A branch whose test fails takes the leaves of its true side out; the leaf that a row reaches is
    the first that stays. A row's values are added tree by tree, so its bits do not depend on its company.

    Args:
        matrix: float32 or float64, (n, c).
        columns: Columns that some branch tests; int64, (u,).
        most_words: Words of the largest tree.
        tree_clearing: First clearing of each tree and the end of the last; int64, (trees + 1,).
        tree_leaf: Place of each tree's first leaf in `leaf_value`; int64, (trees,).
        tree_words: Words of each tree; int64, (trees,).
        column: Place in `columns` of each clearing's branch; int32.
        threshold: Its threshold, in the type of `matrix`.
        kind: `NOT_AT_MOST`, `ABOVE`, `NOT_ABOVE` or `AT_MOST`; int8.
        word: Word that it clears; int32.
        stay: Bits that stay; uint32.
        leaf_value: float64.
        totals: Added to; float64, (n,).
    """
    every = np.uint32(_ALL)
    values = np.zeros((columns.size, BLOCK_ROWS), dtype=matrix.dtype)
    bits = np.empty((most_words, BLOCK_ROWS), dtype=np.uint32)
    for begin in range(0, matrix.shape[0], BLOCK_ROWS):
        rows = min(BLOCK_ROWS, matrix.shape[0] - begin)
        for row in range(rows):
            for k in range(columns.size):
                values[k, row] = matrix[begin + row, columns[k]]
        for tree in range(tree_words.size):
            for w in range(tree_words[tree]):
                bits[w] = every
            for clearing in range(tree_clearing[tree], tree_clearing[tree + 1]):
                own, of_word = values[column[clearing]], bits[word[clearing]]
                limit, left = threshold[clearing], stay[clearing]
                if kind[clearing] == NOT_AT_MOST:
                    for row in range(BLOCK_ROWS):
                        of_word[row] &= every if own[row] <= limit else left
                elif kind[clearing] == ABOVE:
                    for row in range(BLOCK_ROWS):
                        of_word[row] &= left if own[row] > limit else every
                elif kind[clearing] == NOT_ABOVE:
                    for row in range(BLOCK_ROWS):
                        of_word[row] &= every if own[row] > limit else left
                else:
                    for row in range(BLOCK_ROWS):
                        of_word[row] &= left if own[row] <= limit else every
            at = tree_leaf[tree]
            if tree_words[tree] == 1:
                only = bits[0]
                for row in range(rows):
                    totals[begin + row] += leaf_value[at + trailing_zeros(only[row])]
            else:
                for row in range(rows):
                    w = 0
                    while bits[w, row] == 0:
                        w += 1
                    totals[begin + row] += leaf_value[at + WORD * w + trailing_zeros(bits[w, row])]
