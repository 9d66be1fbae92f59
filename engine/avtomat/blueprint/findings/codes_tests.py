"""The codes of what `avtomat test` finds: in files of tests (AVT601 to 619), in cases that were run (621 to 639)."""

from avtomat.blueprint.findings.finding import Code
from avtomat.diagnostics import Severity

# --- files of tests --------------------------------------------------------------------------------------------------

NO_BLUEPRINT = Code(
    number="AVT601",
    title="A test of a blueprint that is not there",
    about="`test` names the blueprint's file, as seen from the file of the tests.",
)
BLUEPRINT_REFUSED = Code(
    number="AVT602",
    title="A test of a blueprint that has errors",
    about="The blueprint does not compile, so that none of the cases is run. Its own findings are shown as well.",
)
DUPLICATE_CASE = Code(
    number="AVT603",
    title="Two cases of the same name",
    about="Cases are distinguished by their names, in reports and by `-k`.",
)
UNKNOWN_TASK = Code(
    number="AVT604",
    title="A task that the blueprint does not ask for",
    about="Answers, counts and params belong to a kind of task that the blueprint asks for, or to the path of a state "
    "that does: `charge`, `tell.mail`, `pick` for all items, `pick[1]` for the second one. Undos go by their kind.",
)
UNKNOWN_STATE = Code(
    number="AVT605",
    title="A state that the blueprint does not have",
    about="`path` lists states of the outermost machine, `compensated` paths of states that have `compensate`.",
)

UNKNOWN_HOOK = Code(
    number="AVT610",
    title="No such hook that starts a job",
    about="`hook` of a case plays a request of one of the blueprint's hooks that start a job; it stands instead of "
    "`input`. What a hook that sends a signal does is played by `signals`.",
)
UNKNOWN_SIGNAL = Code(
    number="AVT606",
    title="A signal for which the blueprint does not wait",
    about="`signals` has the names of signals for which states of the blueprint wait.",
)

UNKNOWN_APPROVAL = Code(
    number="AVT607",
    title="A decision for which the blueprint does not ask",
    about="`approvals` has the paths of states that ask people, with the numbers of all items in them or with none.",
)

UNKNOWN_SCHEDULE = Code(
    number="AVT608",
    title="A schedule that the blueprint does not have",
    about="`schedule` of a case names one of the blueprint's, as its `name` has it.",
)
INPUT_BESIDE_SCHEDULE = Code(
    number="AVT609",
    title="An input beside a schedule",
    about="A case of a `schedule` gets the input that is written there, so that it shows what the schedule's jobs do.",
)

# --- cases that were run ---------------------------------------------------------------------------------------------

NOT_AS_EXPECTED = Code(
    number="AVT621",
    title="Not as expected",
    about="The case ran to its end, and this came of it instead of what `expect` says. A case that says nothing of "
    "`status` and `error` expects the job to finish.",
)
NO_ANSWER = Code(
    number="AVT622",
    title="A task without an answer",
    about="The job asked for a task that the case does not answer: nothing is made up. What all cases need may stand "
    "under `defaults`.",
)
ANSWERS_RAN_OUT = Code(
    number="AVT623",
    title="A list of answers that ran out",
    about="Each answer of a list is for one attempt, retries included. One answer that is no list is for all of them.",
)
NOT_A_CONDITION = Code(
    number="AVT624",
    title="A condition that could not be evaluated",
    about="The `when` of an answer, and every entry of `holds`, must come to true or false.",
)
NO_PLACEHOLDER = Code(
    number="AVT625",
    title="A secret without a placeholder",
    about="Tests read no real secrets: `secrets` of the case, or of `defaults`, gives each a text to stand in for it.",
)
INPUT_REFUSED = Code(
    number="AVT626",
    title="An input that is refused",
    about="The blueprint's `input` does not allow it, so that a client would get 422 and no job. A case that shows "
    "this expects `status: refused`.",
)
ENDLESS_CASE = Code(
    number="AVT627",
    title="A case without an end",
    about="The job waits for what never comes, or goes on and on: a case may take 10,000 decisions, and a hundred "
    "years of its own time.",
)
SIGNAL_UNUSED = Code(
    number="AVT628",
    title="A signal that was not used",
    about="The job ended before it came, no state waited for it under its key, or its payload is not what the state "
    "expects, so that its sender would be refused.",
)
DECISION_UNUSED = Code(
    number="AVT629",
    title="A decision that was not used",
    about="The state was left before, or never asked; or the decision is none of the choices, comes from somebody who "
    "is not asked, or has a form that does not fit, so that whoever makes it would be refused.",
)
UNEXERCISED = Code(
    number="AVT631",
    title="Not exercised by any case",
    about="No case of the tests that were run came this way. `--coverage` shows it, and it does not fail by itself; "
    "`--coverage-min` does.",
    severity=Severity.NOTE,
)
