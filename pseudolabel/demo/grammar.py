"""What the demo world can say: its words, and the one order in which it says them.

    caption = thing | thing "left of" thing
    thing   = ("a" | "an") COLOR SHAPE

Where there are two things, the left one is named first. So every frame has exactly one true
caption, and a caption is either right or wrong.
"""

from __future__ import annotations

from typing import Literal, get_args

Color = Literal["red", "orange", "yellow", "green", "blue", "purple", "pink", "white"]
Shape = Literal["circle", "square", "triangle", "star", "cross"]

COLORS: tuple[Color, ...] = get_args(Color)
SHAPES: tuple[Shape, ...] = get_args(Shape)
WORDS: tuple[str, ...] = ("a", "an", "left", "of", *COLORS, *SHAPES)  # all there are

Thing = tuple[Color, Shape]


def describe(left_to_right: tuple[Thing, ...]) -> str:
    """The true caption of one or two things, given from left to right.

    Raises:
        ValueError: If there are neither one nor two.
    """
    if len(left_to_right) not in (1, 2):
        raise ValueError(f"the grammar describes 1 or 2 things, got {len(left_to_right)}")
    return " left of ".join(
        f"{'an' if color == 'orange' else 'a'} {color} {shape}" for color, shape in left_to_right
    )
