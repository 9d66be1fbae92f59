"""Say what every store promises, one test a promise; test_contract.py runs them on each store.

The promises stand in classes by what they are about, in contract_*.py; `CONTRACT` lists them all. A test gets a `World`
with an empty store, and when it is over the store's invariants are checked.
"""

from __future__ import annotations

from tests.storage.contract_children import Children
from tests.storage.contract_counters import Counters
from tests.storage.contract_duties import DueMembers, Lifetimes, OutageOfReplicas
from tests.storage.contract_jobs import Agreement, Commits, Creation, Listings, Programs
from tests.storage.contract_late import KeptResults, LateSuccesses
from tests.storage.contract_mail import Mailboxes, Outbox, PostAndOutbox, Signals
from tests.storage.contract_next import TakingAlong
from tests.storage.contract_parking import Parking, Poison
from tests.storage.contract_scopes import Closing, Compensation, Forks
from tests.storage.contract_sticky import Sticky
from tests.storage.contract_work import LateResults, Leases, Polling, Workers

CONTRACT = (
    Creation,
    Commits,
    Listings,
    Programs,
    Agreement,
    Polling,
    TakingAlong,
    Leases,
    LateResults,
    LateSuccesses,
    KeptResults,
    Sticky,
    Workers,
    Counters,
    DueMembers,
    OutageOfReplicas,
    Lifetimes,
    Forks,
    Closing,
    Compensation,
    Children,
    Mailboxes,
    Signals,
    Parking,
    Poison,
    PostAndOutbox,
    Outbox,
)
