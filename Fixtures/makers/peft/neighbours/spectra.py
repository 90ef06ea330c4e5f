"""Formulas in float64 of what is stored as a few numbers of a spectrum, at random places: FourierFT and WaveFT."""

import math

import torch
from peft.tuners.waveft.constants import WAVELET_REDUCTIONS
from peft.tuners.waveft.wavelet import Wavelet


def twister(seed):
    """mt19937: 32-bit numbers."""
    state = [seed & 0xffffffff]
    for i in range(1, 624):
        state.append((1812433253 * (state[-1] ^ state[-1] >> 30) + i) & 0xffffffff)
    while True:
        for i in range(624):
            y = state[i] & 0x80000000 | state[(i + 1) % 624] & 0x7fffffff
            state[i] = state[(i + 397) % 624] ^ y >> 1 ^ (0x9908b0df if y & 1 else 0)
        for y in state:
            y ^= y >> 11
            y ^= y << 7 & 0x9d2c5680
            y ^= y << 15 & 0xefc60000
            yield y ^ y >> 18


def random_places(size, count, seed):
    """torch.randperm(size, generator=torch.Generator().manual_seed(seed))[:count] on a CPU."""
    numbers = twister(seed)
    places = []
    if size < 0xffffffff // 20:  # Fisher-Yates from the front; `moved` has what is not in its own place
        moved = {}
        for i in range(count):
            draw = next(numbers) if i < size - 1 else 0  # nothing is drawn for the last place
            j = i + draw % (size - i)
            places.append(moved.get(j, j))
            moved[j] = moved.get(i, i)
    else:  # inside out, with 64-bit numbers: all of them count
        for i in range(size):
            j = (next(numbers) << 32 | next(numbers)) % (i + 1)
            if i < count:
                places.append(i)
                places[i] = places[j]
            if j < count:
                places[j] = i
    return places


def spectrum(values, rows, columns, seed):
    places = torch.tensor(random_places(rows * columns, len(values), seed))
    dense = values.new_zeros(rows * columns)
    dense[places] = values
    return dense.reshape(rows, columns)


def fourierft(W, t, config, module):
    # delta[o, i] = scaling / (rows * columns) * sum over (p, q): dense[p, q] * cos(2 pi (o p / rows + i q / columns))
    rows, columns = W.shape
    dense = spectrum(t["fourierft_spectrum"], rows, columns, config["random_loc_seed"])
    p, q = torch.arange(rows).double(), torch.arange(columns).double()
    left = 2 * math.pi * torch.outer(p, p) / rows
    right = 2 * math.pi * torch.outer(q, q) / columns
    delta = left.cos() @ dense @ right.cos() - left.sin() @ dense @ right.sin()
    return W + config["scaling"] / (rows * columns) * delta


def waveft(W, t, config, module):
    rows, columns = W.shape
    dense = spectrum(t["waveft_spectrum"], rows, columns, config["random_loc_seed"])
    if not config["use_idwt"]:
        return W + config["scaling"] * dense
    wavelet = Wavelet(config["wavelet_family"])
    low, high = (torch.tensor(x, dtype=W.dtype) for x in (wavelet.rec_lo, wavelet.rec_hi))
    length = len(low)

    def synthesis(filter, count):  # [2 * count, count]: what the wavelet's end effects leave
        matrix = W.new_zeros(2 * count + length - 2, count)
        for i in range(count):
            matrix[2 * i:2 * i + length, i] = filter
        crop = (2 * length - 3) // 2
        return matrix[crop:len(matrix) - crop]

    extra = [WAVELET_REDUCTIONS[config["wavelet_family"]][axis] for axis in (0, 1)]
    height, width = (n + e + (n + e) % 2 for n, e in zip((rows, columns), extra))
    top, left = (height - rows) // 2, (width - columns) // 2
    padded = W.new_zeros(height, width)
    padded[top:top + rows, left:left + columns] = dense
    h, w = height // 2, width // 2
    rows_low, rows_high = synthesis(low, h), synthesis(high, h)
    columns_low, columns_high = synthesis(low, w), synthesis(high, w)
    # top right: high over the rows; bottom left: high over the columns
    delta = (rows_low @ padded[:h, :w] + rows_high @ padded[:h, w:]) @ columns_low.T
    delta = delta + (rows_low @ padded[h:, :w] + rows_high @ padded[h:, w:]) @ columns_high.T
    top, left = (delta.shape[0] - rows) // 2, (delta.shape[1] - columns) // 2
    return W + config["scaling"] * delta[top:top + rows, left:left + columns]


def check_random_places():
    # not the sizes for 64-bit numbers: they take minutes
    for size, count, seed in ((512, 512, 777), (1, 1, 0), (3000, 700, 2**32 + 5), (1 << 20, 2000, 1)):
        expected = torch.randperm(size, generator=torch.Generator().manual_seed(seed))[:count]
        assert random_places(size, count, seed) == expected.tolist(), (size, seed)
