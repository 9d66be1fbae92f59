"""The codes of what is found in clients.toml and workers.toml: AVT701 to AVT719."""

from avtomat.blueprint.findings.finding import Code
from avtomat.diagnostics import Severity

NOT_TOML = Code(
    number="AVT701",
    title="The file cannot be read as TOML",
    about="`clients.toml` and `workers.toml` are texts in UTF-8 of at most 1 MB that follow the rules of TOML 1.0.",
)
UNKNOWN_KEY = Code(
    number="AVT702",
    title="A key that is not known",
    about="A client is a table `[clients.NAME]`, a plan `[plans.NAME]`, a worker `[workers.ID]`. What is not known is "
    "refused: a limit under a misspelt key would be no limit.",
)
MISSING_KEY = Code(
    number="AVT703",
    title="A key that is missing",
    about="`rate` needs `requests` and `per`, `quota` needs `jobs` and `per`, such as "
    '`quota = {jobs = 1000, per = "month"}`.',
)
UNFIT_VALUE = Code(
    number="AVT704",
    title="A value that does not fit its key",
    about="Numbers are whole and above zero, spans are written as in blueprints (`30s`, `5m`), time zones as in "
    "`Europe/Berlin`.",
)
UNFIT_NAME = Code(
    number="AVT705",
    title="A name that cannot be used",
    about="Names of clients and plans begin with a lower-case letter and go on with lower-case letters, digits, `_`, "
    "`-` and `.`. `admin` is whoever has the token of the settings. Ids of workers are letters, digits, `_`, `-` and "
    "`.`, with `*` and `?` for a pattern.",
)
NO_TOKEN_FORM = Code(
    number="AVT706",
    title="A token that is written out, or in no known form",
    about="A file that says who may do what holds no token. It has the SHA-256 of each, `sha256:` and 64 digits from 0 "
    'to f, or says where the token is: `{env = "VARIABLE"}` or `{file = "path"}`. `avtomat tokens new` makes a token '
    "and its line.",
)
TOKEN_TWICE = Code(
    number="AVT707",
    title="A token that is used twice",
    about="A token says who asks, so that it belongs to one entry.",
)
UNKNOWN_PLAN = Code(
    number="AVT708",
    title="A plan that is not there",
    about="`plan` names a table `[plans.NAME]` of the same file.",
)
NO_TOKEN_THERE = Code(
    number="AVT709",
    title="A token that cannot be read",
    about="The variable is not set, or the file cannot be read, or what is there is no token (printable ASCII without "
    "white space). Only an engine looks there: `avtomat validate` does not.",
)
NO_TOKEN = Code(
    number="AVT710",
    title="An entry without a token",
    about="No request can be made as this client or worker. This is how an entry looks whose last token was revoked.",
    severity=Severity.WARNING,
)
