"""Walk one walk again, aloud: `python -m tests.simulation PROGRAM WALK`."""

from __future__ import annotations

import sys

from avtomat.core.messages import Change, Decision, Event
from tests.core.building import program_of
from tests.simulation.programs import random_blueprint
from tests.simulation.walker import Walker
from tests.simulation.world import World


class Telling(World):
    """A world that says what it decides."""

    def decide(self, path: str, event: Event) -> Decision:
        decision = super().decide(path, event)
        print(f"{self.now:%d %H:%M:%S} {path} {event}")
        if isinstance(decision, Change):
            print(
                f"    {' '.join(decision.trail)} -> {decision.ended or decision.scope.waiting} {decision.status or ''}"
            )
        else:
            print(f"    ignored: {decision.reason}")
        return decision


def main(program: str, walk: str) -> None:
    """Print the program, then every event of the walk with what was decided."""
    text = random_blueprint(program)
    print(text)
    walker = Walker(program_of(text), f"{program}:{walk}", world=Telling)
    print(f"begun: {walker.world.scopes['/'].scope}")
    walker.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
