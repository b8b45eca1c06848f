"""Slow, obvious re-implementations that several tests compare with."""

import math

import numpy as np


def slow_resize(one_map, height, width):
    """Bilinear, pixel centres at halves, the outermost pixels going on to the border."""
    rows, columns = one_map.shape
    result = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            y = min(max((i + 0.5) * rows / height - 0.5, 0), rows - 1)
            x = min(max((j + 0.5) * columns / width - 0.5, 0), columns - 1)
            top, left = math.floor(y), math.floor(x)
            bottom, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
            down, over = y - top, x - left
            result[i, j] = (1 - down) * ((1 - over) * one_map[top, left] + over * one_map[top, right])
            result[i, j] += down * ((1 - over) * one_map[bottom, left] + over * one_map[bottom, right])
    return result


def slow_components(mask):
    """Flood each component pixel by pixel; the largest first."""
    left, found = {tuple(place) for place in np.argwhere(mask).tolist()}, []
    while left:
        waiting, component = [left.pop()], set()
        while waiting:
            row, column = waiting.pop()
            component.add((row, column))
            near = {(row + down, column + right) for down in (-1, 0, 1) for right in (-1, 0, 1)} & left
            left -= near
            waiting += near
        found.append(component)
    return sorted(found, key=len, reverse=True)


def slow_box(component):
    rows, columns = zip(*component, strict=True)
    return [min(columns), min(rows), max(columns) + 1, max(rows) + 1]
