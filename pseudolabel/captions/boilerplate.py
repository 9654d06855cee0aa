"""What captioners put before what they see: "a photo of", "in this picture we can see".

"There is" stays: it is plain English about the scene, not about there being a picture. BLIP-large
begins most of its captions with it, so a flag on it would tell nothing, and without it "There is a
man riding a horse." would be no sentence.
"""

from __future__ import annotations

import re

from pseudolabel.captions.joining import capitalized
from pseudolabel.captions.words import words

_MEDIUM = r"""(?:(?:stock|still|video|film)\s+)?
    (?:photo(?:graph)?|picture|pic|image|snapshot|video|clip|footage|scene)s?"""

_PREFIXES = (
    # "a photo of", "this is an image showing", "picture of"
    rf"""(?:(?:(?:this|it|here)(?:\s+is|['\u2019]s)\s+)?(?:an?|the|one)\s+)?{_MEDIUM}\s+
    (?:of|showing|depicting|featuring|(?:that|which)\s+(?:shows?|depicts?|features?))""",
    # "this image shows", "the video captures", "the image is of"
    rf"""(?:this|the)\s+{_MEDIUM}\s+(?:is\s+(?:of|showing|depicting)
    |shows?|depicts?|features?|contains?|displays?|captures?|presents?|showcases?|illustrates?)""",
    # "in this picture we can see", "in the image, "; not "in the picture frame"
    rf"in\s+(?:this|the)\s+{_MEDIUM}(?:\s*,|(?=\s+(?:we|you|i|there|an?|the|two|three|some)\b))",
    r"(?:we|you|i)\s+can\s+see",
    r"araf+(?:e[ds]?)?",  # BLIP's, of no meaning
    # "Caption:", "Sure, here is a short caption for the image:"
    r"(?:(?:short|image|video)\s+)*(?:caption|description)\s*:",
    r"(?:(?:sure|certainly|okay|ok)\s*[,.!]?\s*)?here(?:\s+is|['\u2019]s)\s[^:.]{1,60}:",
)
_BOILERPLATE = re.compile(
    rf"""\s*(?:{"|".join(_PREFIXES)})(?:(?<=[:,])|(?![\w-]))[\s,:]*""", re.IGNORECASE | re.VERBOSE
)


def has_boilerplate(text: str) -> bool:
    """Whether a caption begins with words about the picture instead of what is in it."""
    return _BOILERPLATE.match(text) is not None


def strip_boilerplate(text: str) -> str:
    """The caption without its boilerplate, and with a capital letter if it began with one.

    A caption that is nothing but boilerplate stays as it is.
    """
    stripped = text
    while (found := _BOILERPLATE.match(stripped)) and words(stripped[found.end() :]):
        stripped = stripped[found.end() :]
    return capitalized(stripped) if text[:1].isupper() else stripped
