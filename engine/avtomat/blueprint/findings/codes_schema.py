"""The codes of findings about the shape of a file: which keys it has, and what kind of values: AVT101 to AVT119."""

from avtomat.blueprint.findings.finding import Code

UNKNOWN_KEY = Code(
    number="AVT101",
    title="An unknown key",
    about="The language has no such key at this place. Keys that begin with `x-` are ignored everywhere.",
)
MISSING_KEY = Code(number="AVT102", title="A key is missing", about="Something that is needed here is not there.")
WRONG_TYPE = Code(
    number="AVT103",
    title="A value of the wrong kind",
    about="A text, number, list or map stands where the language expects something else.",
)
NOT_ONE_OF = Code(number="AVT104", title="Not one of the words for this", about="Only certain words may stand here.")
BAD_NAME = Code(
    number="AVT105",
    title="A name that cannot be used",
    about="States and branches are named with letters, digits and `_`; a blueprint with lower-case letters, digits, "
    "`-` and `_`; error codes with capitals, digits and `_`. `end`, `null`, `true` and `false` are taken.",
)
OUT_OF_RANGE = Code(number="AVT106", title="A number out of range", about="The number is too small or too large.")
EMPTY = Code(number="AVT107", title="An empty list or map", about="At least one entry is needed here.")
TWO_KINDS = Code(
    number="AVT108",
    title="A state of two kinds",
    about="A state does one thing: it has one of the keys `task`, `call`, `parallel`, `foreach`, `wait`, "
    "`signal`, `approval`, `run`, `succeed` and `fail`, or none of them.",
)
LANGUAGE_VERSION = Code(
    number="AVT109",
    title="Another version of the language",
    about="`avtomat: 1` is the version of the language that this program knows.",
)
