"""LIME's binary columns as bits: what of its arithmetic runs over all draws, compiled.

A draw's weight depends on nothing but the number of players that it agrees on with the row, so draws of one weight can
be counted instead of added. With N_c(i, j) the number of draws of class c (c players differ) that agree on i and on j,

    Z'WZ(i, j) = sum over c of w_c N_c(i, j).

The draws are brought into the order of their class, 64 of their agreements on one player become one word, and N_c is
the number of bits that two words share: exact whole numbers, 64 draws at a time. What involves the model's answers goes
through tables that hold the sums of all subsets of eight (or four) neighbouring columns.

All functions take p players, m draws, and the columns as `octets`: one bit per player and draw, eight players to an
octet, the first player lowest; uint8, (p / 8 rounded up, m).
"""

from __future__ import annotations

import numpy as np

from xaisvc.compiled import compiled

BYTE = 8
_WORD, _NIBBLE = 64, 4


@compiled(inline="always")
def _bits_in(word):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 (compiled)
    """Number of bits set in 64; the compiler knows the idiom as one instruction."""
    word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (word * np.uint64(0x0101010101010101)) >> np.uint64(56)


@compiled()
def agree(codes, own, first, members, octets, classes):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, PLR0913, PLR0917 (compiled)
    """Writes one bit per player and draw, eight players to an octet, and each draw's class.

    Draw 0 is the row itself and agrees on everything.
    """
    p, m = first.size - 1, codes.shape[1]
    together = np.empty(m, dtype=np.uint8)
    octets[:] = np.uint8(0)
    classes[:] = np.int16(p)
    for i in range(p):
        octet = octets[i // BYTE]
        bit = np.uint8(1 << (i % BYTE))
        together[:] = np.uint8(1)
        for k in range(first[i], first[i + 1]):
            column = codes[members[k]]
            code = own[members[k]]
            for s in range(m):
                if column[s] != code:
                    together[s] = np.uint8(0)
        together[0] = np.uint8(1)
        for s in range(m):
            if together[s]:
                octet[s] |= bit
        for s in range(m):
            if together[s]:
                classes[s] -= np.int16(1)


@compiled()
def _transpose(block):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 (compiled)
    """Transposes 64 words as a 64 by 64 matrix of bits, in place, by swapping ever smaller squares."""
    width = 32
    low = np.uint64(0x00000000FFFFFFFF)
    while width:
        shift = np.uint64(width)
        for start in range(0, _WORD, 2 * width):
            for k in range(start, start + width):
                swap = ((block[k] >> shift) ^ block[k + width]) & low
                block[k] ^= swap << shift
                block[k + width] ^= swap
        width >>= 1
        low ^= low << np.uint64(width)


@compiled()
def count_pairs(octets, classes, start, stop, class_weights, sums):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, PLR0912, PLR0913, PLR0917, C901 (compiled)
    """Writes Z'WZ of the draws from `start` to `stop` into the lower triangle of `sums`, (p, p); returns 1'W1."""
    p, n_octets = sums.shape[0], octets.shape[0]
    n_words = (p + _WORD - 1) // _WORD
    counts = np.zeros(p + 1, dtype=np.int64)
    for s in range(start, stop):
        counts[classes[s]] += 1
    # Every class begins a word of its own, so that no word holds two; the rest of its last word stays empty.
    places = np.zeros(p + 1, dtype=np.int64)
    end = 0
    for c in range(p + 1):
        places[c] = end
        end += (counts[c] + _WORD - 1) // _WORD * _WORD
    packed = np.empty(stop - start, dtype=np.uint64)
    ordered = np.zeros((n_words, end), dtype=np.uint64)
    order = np.empty(stop - start, dtype=np.int64)
    for s in range(start, stop):
        order[s - start] = places[classes[s]]
        places[classes[s]] += 1
    for w in range(n_words):
        packed[:] = np.uint64(0)
        for k in range(min(BYTE, n_octets - w * BYTE)):
            octet = octets[w * BYTE + k]
            shift = np.uint64(k * BYTE)
            for s in range(start, stop):
                packed[s - start] |= np.uint64(octet[s]) << shift
        for s in range(stop - start):
            ordered[w, order[s]] = packed[s]
    sums[:] = 0.0
    shared = np.empty((p, p), dtype=np.uint64)
    planes = np.empty(n_words * _WORD, dtype=np.uint64)
    total, place = 0.0, 0
    for c in range(p + 1):
        if counts[c] == 0:
            continue
        shared[:] = np.uint64(0)
        for base in range(place, place + counts[c], _WORD):
            for w in range(n_words):
                plane = planes[w * _WORD : (w + 1) * _WORD]
                for k in range(_WORD):
                    plane[k] = ordered[w, base + k]
                _transpose(plane)
            for i in range(p):
                own = planes[i]
                line = shared[i]
                for j in range(i + 1):
                    line[j] += _bits_in(own & planes[j])
        place += (counts[c] + _WORD - 1) // _WORD * _WORD
        weight = class_weights[c]
        total += weight * counts[c]
        for i in range(p):
            for j in range(i + 1):
                sums[i, j] += weight * np.float64(shared[i, j])
    return total


@compiled()
def project(octets, numbers, start, stop, sums):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 (compiled)
    """Writes Z' numbers of the draws from `start` to `stop` into `sums`, (p,)."""
    p = sums.size
    table = np.empty(1 << BYTE)
    for t in range(octets.shape[0]):
        octet = octets[t]
        table[:] = 0.0
        for s in range(start, stop):
            table[octet[s]] += numbers[s]
        for k in range(min(BYTE, p - t * BYTE)):
            total = 0.0
            for v in range(1 << BYTE):
                if v & (1 << k):
                    total += table[v]
            sums[t * BYTE + k] = total


@compiled()
def project_blocks(octets, numbers, starts, sums):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 (compiled)
    """Writes Z' numbers of each block of draws into `sums`, (p, blocks). Blocks are short, and so are the tables."""
    p = sums.shape[0]
    size = 1 << _NIBBLE
    low, high = np.empty(size), np.empty(size)
    for t in range(octets.shape[0]):
        octet = octets[t]
        for b in range(starts.size - 1):
            low[:] = 0.0
            high[:] = 0.0
            for s in range(starts[b], starts[b + 1]):
                low[octet[s] & np.uint8(15)] += numbers[s]
                high[octet[s] >> np.uint8(4)] += numbers[s]
            for k in range(min(BYTE, p - t * BYTE)):
                table = low if k < _NIBBLE else high
                bit = 1 << (k % _NIBBLE)
                total = 0.0
                for v in range(size):
                    if v & bit:
                        total += table[v]
                sums[t * BYTE + k, b] = total


@compiled()
def predict(octets, weights, intercept, start, stop, fitted):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, PLR0913, PLR0917 (compiled)
    """Writes intercept + Z weights of the draws from `start` to `stop` into `fitted`."""
    p = weights.size
    table = np.empty(1 << BYTE)
    for s in range(start, stop):
        fitted[s] = intercept
    for t in range(octets.shape[0]):
        octet = octets[t]
        table[0] = 0.0
        for k in range(BYTE):
            i = t * BYTE + k
            weight = weights[i] if i < p else 0.0
            for v in range(1 << k):
                table[(1 << k) + v] = table[v] + weight
        for s in range(start, stop):
            fitted[s] += table[octet[s]]
