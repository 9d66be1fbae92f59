"""The codes of findings about what a blueprint means: machines (AVT2xx), names and formulas (3xx), values (4xx) …"""

from avtomat.blueprint.findings.finding import Code
from avtomat.diagnostics import Severity

# --- machines --------------------------------------------------------------------------------------------------------

MISSING_TARGET = Code(
    number="AVT201",
    title="A state that does not exist",
    about="`start`, `next` and `to` name a state of the same machine, or `end`. States inside a `parallel` or "
    "`foreach` are a machine of their own, and no transition leads into it or out of it.",
)
UNREACHABLE = Code(
    number="AVT202",
    title="A state that is never reached",
    about="No way leads from the first state to this one, so it does nothing.",
    severity=Severity.WARNING,
)
NO_WAY_OUT = Code(
    number="AVT203",
    title="No way out",
    about="From this state no way leads to an end: the job would run until its timeout. Cycles are allowed, but "
    "one of their transitions should leave them.",
    severity=Severity.WARNING,
)
ENDLESS = Code(
    number="AVT204",
    title="A cycle that waits for nothing",
    about="These states only set data and go on without a condition, so the job would loop without end in "
    "one moment, and fail with LIMIT_EXCEEDED.",
)
DEAD_END = Code(
    number="AVT205",
    title="A state without a way on",
    about="In a machine of several states every way out is written: `next: end`, `to: end`, `succeed` or "
    "`fail`. A missing `next` is too easily forgotten to mean anything.",
)
NEVER_TAKEN = Code(
    number="AVT206",
    title="An arm that is never taken",
    about="The first arm that fits is taken, and an earlier one always fits. The arm without a condition comes last.",
    severity=Severity.WARNING,
)
NAME_CLASH = Code(
    number="AVT207",
    title="A name that is taken in an outer machine",
    about="A state inside a block must not have the name of a state around it, because `outputs.name` could mean "
    "either.",
)
LONE_STATE_GOES_ON = Code(
    number="AVT208",
    title="A lone state does not go on",
    about="A branch or a `do` that is one state ends with it, and has no `next`, `transitions` or `to`. For "
    "several states write a machine: `do: {states: {…}}`.",
)
RESERVED_NAME = Code(
    number="AVT209",
    title="A name that is taken by the language",
    about="`end`, `null`, `true` and `false` mean something already.",
)
NEXT_AND_TRANSITIONS = Code(
    number="AVT210",
    title="Both next and transitions",
    about="`next: a` is short for `transitions: [{to: a}]`; with both it would not be clear which counts.",
)
NEVER_CAUGHT = Code(
    number="AVT211",
    title="An error that cannot be caught or retried",
    about="DEADLINE and LIMIT_EXCEEDED end the job, and nothing catches them, not even ANY. EXPRESSION_ERROR, "
    "TEMPLATE_ERROR and NO_TRANSITION are never retried, because they would only occur again; a `catch` "
    "takes them.",
)
UNUSUAL_ERROR = Code(
    number="AVT212",
    title="An error code that looks like another",
    about="Workers may send codes of their own, but this one is nearly the same as a known one.",
    severity=Severity.WARNING,
)
MANY_BODIES = Code(
    number="AVT213",
    title="A request with several bodies",
    about="A `call` sends one of `json`, `form` and `text`.",
)

# --- names and formulas ----------------------------------------------------------------------------------------------

EXPRESSION_SYNTAX = Code(
    number="AVT301",
    title="An expression that cannot be read",
    about="Expressions compute a value from names, numbers, texts in quotes, operators and functions: "
    "`output.total > 1000 and not data.vip`.",
)
EXPRESSION_FORBIDDEN = Code(
    number="AVT302",
    title="Something that expressions cannot do",
    about="Expressions only compute: there are no methods, assignments, functions of one's own, or access to "
    "anything but the values of the job.",
)
EXPRESSION_LIMIT = Code(
    number="AVT303",
    title="An expression that is too large",
    about="Expressions have limits on length, depth, parts and numbers, so that none can block the engine.",
)
UNKNOWN_FUNCTION = Code(
    number="AVT304", title="An unknown function", about="Only the functions of the language can be called."
)
WRONG_ARGUMENTS = Code(
    number="AVT305",
    title="Wrong arguments",
    about="A function is called with too few or too many values, or with values that it cannot use.",
)
BAD_REGEX = Code(
    number="AVT306",
    title="A pattern that cannot be used",
    about="Patterns are searched for in linear time; what needs more, such as back references and "
    "look-around, is refused.",
)
TEMPLATE_SYNTAX = Code(
    number="AVT307",
    title="A template that cannot be read",
    about="Texts with `{{ … }}` and `{% … %}` have the form of Jinja2: `{% if %}`, `{% elif %}`, `{% else %}`, "
    "`{% endif %}`, `{% for %}`, `{% endfor %}`, `{% raw %}` and `{# a comment #}`.",
)
TEMPLATE_FORBIDDEN = Code(
    number="AVT308",
    title="Something that templates cannot do",
    about="Templates put values into texts, with `if` and `for`; they define, import and include nothing.",
)
UNKNOWN_NAME = Code(
    number="AVT311",
    title="An unknown name",
    about="Formulas know `input`, `data`, `outputs`, `job` and `config`; at their places `output`, `status`, "
    "`error`, the item of a foreach and its `index`, `secrets` and `callback`.",
)
NAME_NOT_HERE = Code(
    number="AVT312",
    title="A name that is not there at this place",
    about="`output` and `status` are there when a state is left: in its `transitions`, `set` and `compensate`; "
    "later states read `outputs.name`. `error` is there in a `catch` and after it; an item inside its "
    "foreach; `secrets` in `params` and in headers, auth and body of a `call`.",
)
UNKNOWN_OUTPUT = Code(
    number="AVT313",
    title="The output of a state that has none",
    about="`outputs.name` is the output of the state of that name, in this machine or one around it. States "
    "that wait, only set data, or end the machine have none.",
)
OUTPUT_NEVER_THERE = Code(
    number="AVT314",
    title="The output of a state that comes later",
    about="No way leads from that state to this one, so there is no output of it here yet.",
)
UNDECLARED_DATA = Code(
    number="AVT315",
    title="A variable that nothing sets",
    about="`data.name` is there when the top-level `data` or a `set` gives it a value.",
)
UNKNOWN_INPUT = Code(
    number="AVT316",
    title="An input that cannot be there",
    about="The schema in `input` allows no such key.",
)
UNUSUAL_INPUT = Code(
    number="AVT317",
    title="An input that looks like another",
    about="The schema in `input` does not name this key, but one that is nearly the same.",
    severity=Severity.WARNING,
)
UNKNOWN_FIELD = Code(
    number="AVT318",
    title="A key that this name does not have",
    about="`job` has id, blueprint, version, created_at, labels and parent_id; `error` has code, message, "
    "details, state and attempt; `callback` has url.",
)
LITERAL_PLACE = Code(
    number="AVT319",
    title="A template where none may stand",
    about="Names, error codes, choices, schemas, policies and what is asked of workers are literal, so that a "
    "checker and a reader can follow them.",
)
EXPRESSION_AS_TEXT = Code(
    number="AVT320",
    title="A text that looks like an expression",
    about="Only a `when` is an expression as it stands. Everywhere else a value without `{{ }}` is a text, word for "
    "word.",
    severity=Severity.WARNING,
)

FOREIGN_TEMPLATE = Code(
    number="AVT321",
    title="A template of another system",
    about="Templates are written `{{ … }}`. `${{ x }}`, `={{ x }}`, `<% x %>`, `${x}`, `$(x)` and `$.x` are those of "
    "other systems, and here texts, word for word.",
    severity=Severity.WARNING,
)

# --- values ----------------------------------------------------------------------------------------------------------

BAD_DURATION = Code(
    number="AVT401",
    title="Not a duration",
    about="Durations are written `250ms`, `30s`, `5m`, `2h`, `3d` or `1h30m`, from large to small.",
)
UNKNOWN_POLICY = Code(
    number="AVT402",
    title="An unknown retry policy",
    about="`retry` names one of `policies`, or is `none`, or a policy written out.",
)
BAD_SCHEMA = Code(
    number="AVT403",
    title="A JSON Schema that cannot be used",
    about="In `input`, `result`, `expects` and `form` stands a JSON Schema (2020-12). Unknown keywords are "
    "errors here, because they would check nothing; and so are references that lead in a circle.",
)
BAD_TIME = Code(
    number="AVT404",
    title="Not a time",
    about="Times are written as RFC 3339 has them: `2026-01-31T23:00:00Z`.",
)
BAD_ERROR_CODE = Code(
    number="AVT405",
    title="Not an error code",
    about="Error codes consist of capitals, digits and `_`, and begin with a capital: OUT_OF_STOCK. DEADLINE and "
    "LIMIT_EXCEEDED are said by the engine alone: nothing catches them.",
)
BAD_KIND_OF_TASK = Code(
    number="AVT406",
    title="Not a kind of task",
    about="A kind of task is named with letters, digits, `.`, `_` and `-`, at most 128 of them. Names that begin with "
    "`avtomat.` are the engine's own.",
)
BAD_AMOUNT = Code(
    number="AVT407",
    title="Not an amount",
    about="`tolerate` is a number of items or a share such as `10%`; `concurrency` and `at_least` are numbers, "
    "or templates.",
)
TAKEN_NAME = Code(
    number="AVT408",
    title="A name for items that is taken",
    about="`as` gives the item a name of its own; the names of the language and of foreach states around it are taken.",
)
UNUSED_POLICY = Code(
    number="AVT409",
    title="A policy that nothing uses",
    about="No `retry` names this policy.",
    severity=Severity.WARNING,
)

JOIN_NEVER_MET = Code(
    number="AVT410",
    title="A join that cannot be met",
    about="`at_least: n` needs n branches or items. Where `join` says how many must succeed, `tolerate` has no effect.",
)
TOO_DEEP = Code(
    number="AVT411",
    title="Blocks nested too deep",
    about="`limits.depth` bounds how deep parallel and foreach states may stand in one another; its default is 10.",
)
DECLINES_NOTHING = Code(
    number="AVT412",
    title="A fail that declines nothing",
    about="Undos belong to the job. A `fail` inside a block ends its branch or item alone, and whether the job fails "
    "is decided outside; so `compensate: false` stands only in the outermost machine.",
)
DOTTED_NAME = Code(
    number="AVT413",
    title="A variable with a dot in its name",
    about="`set` and `data` give values to variables by their names. `a.b` would be a variable of that name, which "
    "`data.a.b` does not read; `merge` gives a map one more key.",
)

STORED_DURATIONS = Code(
    number="AVT414",
    title="Two stored durations",
    about="A duration that is stored is a text, such as `1h30m`. Two of them cannot be added or put in order: "
    "`duration(data.name)` makes a duration of one again.",
)

DELAY_OVER_ITS_CAP = Code(
    number="AVT415",
    title="A delay over its own limit",
    about="`max_delay` is the longest wait between two attempts, so it cannot be shorter than the first one, `delay`. "
    "Left out, it is a minute, or the second delay where that is longer.",
)

NO_TIME = Code(
    number="AVT416",
    title="A time limit that leaves no time",
    about="With a `timeout` of `0s` every job or attempt would fail at once, and with `queue: 0s` before a worker can "
    "take the task. Where there is no limit, `timeout` is left out; a template may give any duration.",
)
UNDO_IN_FINALLY = Code(
    number="AVT417",
    title="An undo in `finally`",
    about="`finally` runs when the job has ended and all undos have run, so that a `compensate` of a state in it would "
    "never be used.",
)
BAD_REQUEST = Code(
    number="AVT431",
    title="A request that cannot be sent",
    about="The url of a `call` begins with `https://` or `http://` and has no user information: who sends it is given "
    "in `auth`, as a `bearer`, or a `username` with a `password`. Headers about the connection are the engine's own.",
)
BAD_HOOK = Code(
    number="AVT432",
    title="A hook that cannot be taken",
    about="A request of a hook starts a job with `input`, or sends the `signal` to the `job` that is named, with "
    "`key` and `payload`. `verify` says how its sender is known: `header` belongs to the scheme `token`, and "
    "`tolerance` to those whose signatures bear a time, `standard` and `stripe`.",
)

BAD_CRON = Code(
    number="AVT441",
    title="Not a cron line",
    about="A cron line has five fields: minute, hour, day of month, month, day of week. In each stand `*`, numbers, "
    "ranges, lists and steps; months and days have names of three letters. There are no seconds, and no signs of other "
    "systems such as `?`, `L`, `W`, `#` and `@daily`.",
)
BAD_TIME_ZONE = Code(
    number="AVT442",
    title="An unknown time zone",
    about="Time zones have the names of the IANA database, such as `Europe/Berlin`. An offset such as `+02:00` is "
    "none: it would be wrong for half of the year.",
)
BAD_SCHEDULES = Code(
    number="AVT443",
    title="Schedules that cannot be told apart",
    about="Each schedule of a blueprint has a name of its own, by which it is paused, asked for and remembered. A "
    "blueprint has at most 100.",
)
INPUT_OF_SCHEDULE = Code(
    number="AVT444",
    title="A schedule whose input does not fit",
    about="The `input` of a schedule is that of its jobs, so that the blueprint's own schema must take it; without one "
    "it is an empty map. Else no run would ever become a job.",
)
LONG_JITTER = Code(
    number="AVT445",
    title="A jitter longer than the time between two runs",
    about="`jitter` delays each run by less than this. Where runs come more often than that, they would wait for each "
    "other.",
)
MADE_UP_IN_VAIN = Code(
    number="AVT446",
    title="Missed runs that push each other aside",
    about="`catch_up: all` makes up for all missed runs at once. With `overlap: skip` only the first of them would "
    "become a job, with `replace` only the last.",
    severity=Severity.WARNING,
)

BAD_CHOICES = Code(
    number="AVT421",
    title="Choices that cannot be distinguished",
    about="Each of an approval's `choices` is a word of its own: it becomes the `status` by which transitions choose.",
)

DUPLICATE_BLUEPRINT = Code(
    number="AVT501",
    title="Two blueprints of the same name",
    about="Jobs are submitted by the blueprint's name, so that a name stands in one file only.",
)

# --- what comes later ------------------------------------------------------------------------------------------------

NOT_YET = Code(
    number="AVT901",
    title="Part of the language, but not of this version",
    about="The file is right, but this version of the engine cannot do it yet. It is refused instead of being ignored.",
)
