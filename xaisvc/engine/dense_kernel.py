"""The compiled loop behind networks of dense layers: mixed rows, layers and means over the background in one.

Tiles of mixed rows go through all layers before the next tile begins, so that nothing leaves the second-level cache.
A row's numbers do not depend on the rows beside it.
"""

from __future__ import annotations

import math

import numpy as np

from xaisvc.compiled import compiled
from xaisvc.engine.dense_vectors import BLOCK_ROWS, LANES, PANEL, add, bend, multiply, weigh

TILE_ROWS = 8 * BLOCK_ROWS
"""Mixed rows that go through all layers together: 48 KB for each layer of 128 units."""

IDENTITY, RELU, TANH, LOGISTIC, SOFTMAX = range(5)
"""Activations and links by number."""


@compiled()
def _least(activation):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 (compiled)
    """What `multiply` cuts its numbers off at."""
    return np.float32(0.0) if activation == RELU else np.float32(-np.inf)


@compiled()
def activate(numbers, count, activation):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 (compiled)
    """Applies tanh or the logistic function in place to the first `count` numbers, whole vectors; float32, flat."""
    if activation in (TANH, LOGISTIC):
        steep = np.float32(2.0) if activation == TANH else np.float32(1.0)
        for at in range(0, count, LANES):
            bend(numbers, at, steep)


@compiled()
def _layer(rows, count, step, weights, weights_at, terms, bias, bias_at, panels, least, found, found_at):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, PLR0913, PLR0917 (compiled)
    """One layer for a tile of rows, rounded up to whole blocks: rows `step` apart, answers panels * PANEL apart."""
    width = panels * PANEL
    for panel in range(panels):
        at, bias_of = weights_at + panel * terms * PANEL, bias_at + panel * PANEL
        for row in range(0, count, BLOCK_ROWS):
            to = found_at + row * width + panel * PANEL
            multiply(rows, row * step, step, weights, at, terms, bias, bias_of, least, found, to, width)


@compiled()
def _linked(scores, link, column, complement, logit):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 (compiled)
    """The explained number from a row's scores, rounded where the model's own graph rounds."""
    score = np.float64(scores[column])
    if link == LOGISTIC:
        answer = np.float32(1.0 / (1.0 + math.exp(-score)))
    elif link == SOFTMAX:
        highest = np.float64(scores[0])
        for i in range(scores.size):
            highest = max(highest, np.float64(scores[i]))
        total = 0.0
        for i in range(scores.size):
            total += math.exp(np.float64(scores[i]) - highest)
        answer = np.float32(math.exp(score - highest) / total)
    else:
        answer = scores[column]
    if complement:
        answer = np.float32(1.0) - answer
    exact = np.float64(answer)
    if logit:
        return np.log(exact) - np.log(1.0 - exact)
    return exact


@compiled()
def _forward(one, two, count, width, network, answers, answers_at):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, PLR0913, PLR0917 (compiled)
    """The answers of rows whose first layer is done: `one` holds them, `width` apart."""
    panels, biases, shapes, last, last_bias, ends = network
    for k in range(shapes.shape[0]):
        terms, n_panels, activation, weights_at, bias_at = shapes[k]
        _layer(one, count, width, panels, weights_at, terms, biases, bias_at, n_panels, _least(activation), two, 0)
        width = n_panels * PANEL
        activate(two, count * width, activation)
        one, two = two, one
    scores = np.empty(last_bias.size, dtype=np.float32)
    for row in range(count):
        for column in range(last_bias.size):
            scores[column] = last_bias[column] + weigh(one, row * width, last, column * width, width // PANEL)
        answers[answers_at + row] = _linked(scores, ends[0], ends[1], ends[2], ends[3])


@compiled()
def answer_rows(matrix, first, bias, activation, widest, network, answers):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, PLR0913, PLR0917 (compiled)
    """The answers of rows of columns.

    Args:
        matrix: float32, (n, c).
        first: The first layer's panels; float32, flat.
        bias: Its biases, whole panels; float32.
        activation: What follows it.
        widest: Numbers per row in the widest layer, whole panels.
        network: What follows; see `network.CompiledNetwork`.
        answers: Written to; float64, (n,).
    """
    n, columns = matrix.shape
    rows = np.zeros(TILE_ROWS * columns, dtype=np.float32)
    one, two = np.empty(TILE_ROWS * widest, dtype=np.float32), np.empty(TILE_ROWS * widest, dtype=np.float32)
    for start in range(0, n, TILE_ROWS):
        count = min(TILE_ROWS, n - start)
        for row in range(count):
            for column in range(columns):
                rows[row * columns + column] = matrix[start + row, column]
        _layer(rows, count, columns, first, 0, columns, bias, 0, bias.size // PANEL, _least(activation), one, 0)
        activate(one, count * bias.size, activation)
        _forward(one, two, count, bias.size, network, answers, start)


@compiled()
def fill_table(background, masks, others, first, bias, table):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, PLR0913, PLR0917 (compiled)
    """Writes what background rows and biases contribute to the first layer.

    Args:
        background: float32, (b, c).
        masks: True where a coalition takes the explained row's columns; bool, (k, c).
        others: The background rows of each coalition, int64, (k, d); (0, d) if they are rows 0 to d - 1.
        first: The layer's panels; float32, flat.
        bias: Its biases, whole panels; float32, (h,).
        table: Written to; float32, flat: a row of h numbers for each of k * d mixed rows, and whole tiles of them.
    """
    k, columns = masks.shape
    d, width = others.shape[1], bias.size
    rows = np.zeros(TILE_ROWS * columns, dtype=np.float32)
    for start in range(0, k * d, TILE_ROWS):
        count = min(TILE_ROWS, k * d - start)
        for row in range(count):
            coalition, place = divmod(start + row, d)
            other = others[coalition, place] if others.shape[0] > 0 else place
            for column in range(columns):
                value = background[other, column]
                rows[row * columns + column] = np.float32(0.0) if masks[coalition, column] else value
        _layer(
            rows, count, columns, first, 0, columns, bias, 0, width // PANEL, np.float32(-np.inf), table, start * width
        )


@compiled()
def _fill_own(row, masks, weights, own):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 (compiled)
    """What an explained row contributes to the first layer for each coalition; flat, k * h numbers."""
    width = weights.shape[1]
    own[:] = np.float32(0.0)
    for coalition in range(masks.shape[0]):
        for column in range(masks.shape[1]):
            if masks[coalition, column]:
                value = row[column]
                for unit in range(width):
                    own[coalition * width + unit] += value * weights[column, unit]


@compiled()
def coalition_values(rows, masks, d, weights, table, activation, widest, network, values):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, PLR0913, PLR0917 (compiled)
    """Writes the values of coalitions: means over d background rows as first + mean(answer - first).

    Args:
        rows: Columns of the explained rows; float32, (n, c).
        masks: As for `fill_table`.
        d: Background rows of a coalition.
        weights: The first layer's, filled up to whole panels; float32, (c, h).
        table: From `fill_table`.
        activation: What follows the first layer.
        widest: As for `answer_rows`.
        network: As for `answer_rows`.
        values: Written to; float64, (n, k).
    """
    k, width = len(masks), weights.shape[1]
    own = np.empty(k * width, dtype=np.float32)
    answers = np.empty(k * d)
    one, two = np.empty(TILE_ROWS * widest, dtype=np.float32), np.empty(TILE_ROWS * widest, dtype=np.float32)
    least = _least(activation)
    for index in range(len(rows)):
        _fill_own(rows[index], masks, weights, own)
        for start in range(0, k * d, TILE_ROWS):
            count = min(TILE_ROWS, k * d - start)
            for row in range(count):
                coalition = (start + row) // d
                add(own, coalition * width, table, (start + row) * width, width // PANEL, least, one, row * width)
            activate(one, count * width, activation)
            _forward(one, two, count, width, network, answers, start)
        for coalition in range(k):
            first, spread = answers[coalition * d], 0.0
            for place in range(d):
                spread += answers[coalition * d + place] - first
            values[index, coalition] = first + spread / d
