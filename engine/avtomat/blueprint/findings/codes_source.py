"""The codes of findings about the file itself, before anything in it is understood: AVT001 to AVT029."""

from avtomat.blueprint.findings.finding import Code
from avtomat.diagnostics import Severity

UNREADABLE = Code(
    number="AVT001",
    title="The file cannot be read",
    about="A blueprint is a text in UTF-8 of at most 1 MB that holds one map.",
)
FORBIDDEN_CHARACTER = Code(
    number="AVT002",
    title="A character that is not allowed",
    about="Control characters and marks that turn the direction of writing make a text read differently from "
    "what it says. Inside double quotes they may be written as an escape where they are meant, such as "
    '"\\t".',
)
SYNTAX = Code(number="AVT003", title="Not YAML", about="The file does not follow the rules of YAML at this place.")
BARE_TEMPLATE = Code(
    number="AVT004",
    title="A template without quotes",
    about="In YAML a `{` at the start of a value, or anywhere inside `{ }` and `[ ]`, opens a map. A value that "
    'begins with a template must stand in quotes: `order: "{{ input.order }}"`.',
)
CUT_BY_COMMA = Code(
    number="AVT005",
    title="A comma cuts the value",
    about="Inside `{ }` and `[ ]` a comma ends a value, also between the parentheses of a function. Put the "
    'whole value in quotes: `{when: "default(data.n, 0) > 3", to: x}`.',
)
COLON_IN_TEXT = Code(
    number="AVT006",
    title="A colon inside a text",
    about="A colon with a space after it makes a key of what stands before it. A text that contains one needs quotes.",
)
COMMENT_IN_TEXT = Code(
    number="AVT007",
    title="A text cut off by #",
    about="A `#` after a space begins a comment, so the rest of the line does not belong to the text. If it "
    "should, put the text in quotes; if it is a comment, write a space after the `#`.",
    severity=Severity.WARNING,
)
QUOTES_IN_QUOTES = Code(
    number="AVT008",
    title="A quote ends the text too early",
    about='Inside double quotes a double quote ends the text. Inside an expression use the other kind: `"{{ '
    "x['a'] }}\"`. Inside single quotes a quote is written twice: `'it''s'`.",
)
TAB = Code(number="AVT009", title="A tab", about="YAML is indented with spaces; tabs are not allowed there.")
INDENTATION = Code(
    number="AVT010",
    title="The indentation does not fit",
    about="The keys of one map, and the dashes of one list, begin in the same column.",
)
SPECIAL_START = Code(
    number="AVT011",
    title="The value begins with a special character",
    about="`*`, `&`, `!`, `|`, `>`, `%`, `@` and the backtick mean something to YAML at the beginning of a "
    "value. A text or an expression that begins with one needs quotes.",
)
NOT_CLOSED = Code(
    number="AVT012",
    title="A bracket or quote that does not fit",
    about="Each `{`, `[` and quote needs its partner; inside `{ }` and `[ ]` a text without quotes ends at a bracket.",
)
DUPLICATE_KEY = Code(
    number="AVT013",
    title="A key appears twice",
    about="Of two keys with the same name only one could count, so both are refused.",
)
KEY_NOT_TEXT = Code(number="AVT014", title="A key is not a text", about="Keys are texts, never maps, lists or nothing.")
TAG = Code(
    number="AVT015",
    title="A tag",
    about="`!` at the beginning of a value is a tag in YAML, and tags are not used here. `not` is the word for "
    "negation.",
)
MANY_DOCUMENTS = Code(
    number="AVT016",
    title="More than one document, or a directive",
    about="A file holds one document; lines that begin with `%` are not used.",
)
ALIAS = Code(
    number="AVT017",
    title="An alias that leads nowhere",
    about="`*name` stands for the value that was marked with `&name` before; it cannot stand inside that value.",
)
TOO_LARGE = Code(
    number="AVT018",
    title="The file is too large, or nested too deeply",
    about="At most 1 MB, 64 levels, 50 aliases, and 100,000 values after the aliases were followed.",
)
NUMBER_RANGE = Code(
    number="AVT019",
    title="A number that cannot be kept exactly",
    about="Integers have at most 64 bits, other numbers are finite. A long identifier is a text: put it in quotes.",
)
TEXT_LIKE_A_NUMBER = Code(
    number="AVT020",
    title="A text that looks like a number",
    about="Only a number that is written back the same is a number; 1.10, 0755 and 1_000 stay texts, so that "
    "they are not changed on their way. Quotes say that this is meant.",
    severity=Severity.NOTE,
)
EMPTY_VALUE = Code(
    number="AVT021",
    title="A key without a value",
    about="Nothing after the colon is null. Often the lines below it were meant to belong to it and are not "
    "indented. Write `null` if it is meant.",
    severity=Severity.WARNING,
)
MERGE = Code(
    number="AVT022",
    title="Nothing to merge",
    about="`<<` takes over the entries of a map, or of each map in a list; its value is usually an alias.",
)
STRAY_QUOTE = Code(
    number="AVT023",
    title="A text that ends with a quote and does not begin with one",
    about="A quote in the middle or at the end of a text without quotes is a character of the text. Often the quote at "
    "its beginning was forgotten. If the quote belongs to the text, put the whole text in quotes of the other kind.",
    severity=Severity.WARNING,
)
CHECKER_FAILED = Code(
    number="AVT029",
    title="The checker failed on this file",
    about="This is a bug in Avtomat, not of the file. The file is refused, and all others are checked and used as if "
    "it had any other error. Please report it with the file and the line that the message names.",
)
