-- The embedded store, format 2. Times are milliseconds since the epoch on the store's clock.
-- A job is known by `n` inside; `path` is a scope of it. Nothing here is read by others than sqlite_*.py.
CREATE TABLE avtomat_meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE programs (
    partition INTEGER NOT NULL,
    digest TEXT NOT NULL,
    canonical TEXT NOT NULL,
    asked_ms INTEGER NOT NULL,
    PRIMARY KEY (partition, digest)
) STRICT, WITHOUT ROWID;

-- What is current, by the name of a blueprint; `current_number` in avtomat_meta moves with it.
CREATE TABLE current (name TEXT PRIMARY KEY, record BLOB NOT NULL) STRICT, WITHOUT ROWID;

-- `status` is the stored word; `unwind_seq` the entry that began to compensate, `unwound` once the root was mailed;
-- `extras` whether it ever
-- had more than tasks and times (forks, mail, undos, a dead attempt in a worker's hands), so that its end looks there; `expires_ms` when an ended job leaves.
CREATE TABLE jobs (
    n INTEGER PRIMARY KEY,
    job TEXT NOT NULL UNIQUE,
    partition INTEGER NOT NULL,
    client TEXT NOT NULL,
    blueprint TEXT NOT NULL,
    status TEXT NOT NULL,
    seq INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    finished_ms INTEGER,
    expires_ms INTEGER,
    deadline_ms INTEGER,
    retention_ms INTEGER NOT NULL,
    extras INTEGER NOT NULL DEFAULT 0,
    unwind_seq INTEGER,
    unwound INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL,
    digest TEXT NOT NULL,
    key TEXT,
    body_hash TEXT NOT NULL,
    parent TEXT,
    search TEXT,
    labels BLOB,
    reason BLOB,
    result BLOB,
    error BLOB,
    head BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX jobs_key ON jobs (client, key) WHERE key IS NOT NULL;
CREATE INDEX jobs_digest ON jobs (digest, partition);
CREATE INDEX jobs_status ON jobs (status, created_ms, job);
CREATE INDEX jobs_client ON jobs (client, status, created_ms, job);
CREATE INDEX jobs_blueprint ON jobs (blueprint, status, created_ms, job);
CREATE INDEX jobs_client_blueprint ON jobs (client, blueprint, status, created_ms, job);
CREATE INDEX jobs_expired ON jobs (partition, expires_ms) WHERE expires_ms IS NOT NULL;

-- Open scopes, and the root of an ended job. `queue`, `priority` and `body` are those of its newest attempt, for a
-- retry; `task_id` is the open one; `signal_*` what it waits for; `signal_place` since when,
-- kept when the signal has come, until the scope goes on; so it is when a parked job has kept the result of its task.
CREATE TABLE scopes (
    n INTEGER NOT NULL,
    path TEXT NOT NULL,
    version INTEGER NOT NULL,
    visit INTEGER NOT NULL,
    task_id TEXT,
    signal_name TEXT,
    signal_key TEXT,
    signal_place INTEGER,
    queue TEXT,
    priority INTEGER,
    record BLOB NOT NULL,
    body BLOB,
    PRIMARY KEY (n, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX scopes_signal ON scopes (n, signal_name, signal_key, signal_place) WHERE signal_name IS NOT NULL;

-- Forks of open scopes, and of the root. `environment` is returned with each scope of the fork;
-- `begun` counts the indexes that may begin.
CREATE TABLE forks (
    n INTEGER NOT NULL,
    path TEXT NOT NULL,
    number INTEGER NOT NULL,
    total INTEGER NOT NULL,
    need INTEGER NOT NULL,
    tolerated INTEGER NOT NULL,
    at_once INTEGER NOT NULL,
    begun INTEGER NOT NULL,
    live INTEGER NOT NULL,
    ok INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    verdict TEXT,
    closed INTEGER NOT NULL DEFAULT 0,
    environment BLOB NOT NULL,
    PRIMARY KEY (n, path, number)
) STRICT, WITHOUT ROWID;

-- What was closed below the root, and why: a scope is closed when it or anything above it is fenced.
CREATE TABLE fences (
    n INTEGER NOT NULL,
    path TEXT NOT NULL,
    why TEXT NOT NULL,
    PRIMARY KEY (n, path)
) STRICT, WITHOUT ROWID;

CREATE TABLE outputs (
    n INTEGER NOT NULL,
    path TEXT NOT NULL,
    fork INTEGER NOT NULL,
    place INTEGER NOT NULL,
    output BLOB NOT NULL,
    PRIMARY KEY (n, path, fork, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE large_values (
    n INTEGER NOT NULL,
    id TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (n, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE undos (n INTEGER NOT NULL, seq INTEGER NOT NULL, undo BLOB NOT NULL, PRIMARY KEY (n, seq)) STRICT, WITHOUT ROWID;

CREATE TABLE history (
    n INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    path TEXT NOT NULL,
    cause TEXT NOT NULL,
    record BLOB NOT NULL,
    PRIMARY KEY (n, seq)
) STRICT, WITHOUT ROWID;

-- One row per attempt, open or ended (for 15 minutes). `phase`: delayed, queued, parked, leased; held: dead, but its
-- worker may still be at it; ended. A delayed one that has a `worker` is reserved for it. `place` (0 before it
-- was queued) orders what a client has in a queue, and is kept when a task is given back: see rules.place_in_queue.
CREATE TABLE attempts (
    task_id TEXT PRIMARY KEY,
    partition INTEGER NOT NULL,
    n INTEGER NOT NULL,
    path TEXT NOT NULL,
    visit INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    queue TEXT NOT NULL,
    client TEXT NOT NULL,
    priority INTEGER NOT NULL,
    place INTEGER NOT NULL,
    phase TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    not_before_ms INTEGER,
    queue_ms INTEGER,
    queue_at_ms INTEGER,
    attempt_ms INTEGER,
    attempt_at_ms INTEGER,
    lease_ms INTEGER,
    leased_ms INTEGER,
    lease_until_ms INTEGER,
    total_at_ms INTEGER,
    worker TEXT,
    nonce TEXT,
    hash TEXT,
    why TEXT,
    ended_ms INTEGER,
    progress BLOB,
    undoable INTEGER NOT NULL DEFAULT 0,
    sticky TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX attempts_queue ON attempts (partition, queue, client, place) WHERE phase = 'queued';
CREATE INDEX attempts_nonce ON attempts (worker, nonce) WHERE phase = 'leased';
CREATE INDEX attempts_ended ON attempts (partition, ended_ms) WHERE phase = 'ended';

-- Scopes as they were when an attempt was taken from them that a worker holds and whose success would have to be
-- undone, packed (see rules.packed_left), until its lease is over.
CREATE TABLE IF NOT EXISTS left_scopes (task_id TEXT PRIMARY KEY, scope BLOB NOT NULL) STRICT, WITHOUT ROWID;

-- How far on clients are that wait for the same queue, and the queue itself: see rules.whose_turn.
CREATE TABLE turns (
    partition INTEGER NOT NULL,
    queue TEXT NOT NULL,
    client TEXT NOT NULL,
    turn INTEGER NOT NULL,
    PRIMARY KEY (partition, queue, client)
) STRICT, WITHOUT ROWID;

-- What the workers of a queue must have; read for queues that hold tasks.
CREATE TABLE requirements (
    partition INTEGER NOT NULL,
    queue TEXT NOT NULL,
    requirements BLOB NOT NULL,
    PRIMARY KEY (partition, queue)
) STRICT, WITHOUT ROWID;

-- One row for each slot of a scope (task, timer, mail, begin, deadline, start), and for each dead attempt that a worker
-- may hold (`dead <task_id>`). `time_ms` is its own time,
-- `at_ms` when it is given out next; it counts as a cause once it was `returned`. `aside` while the job is parked;
-- `by_wall` when `time_ms` is on the system's clock.
CREATE TABLE due (
    n INTEGER NOT NULL,
    path TEXT NOT NULL,
    slot TEXT NOT NULL,
    partition INTEGER NOT NULL,
    kind TEXT NOT NULL,
    number INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    returned INTEGER NOT NULL DEFAULT 0,
    aside INTEGER NOT NULL DEFAULT 0,
    by_wall INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (n, path, slot)
) STRICT, WITHOUT ROWID;
CREATE INDEX due_next ON due (partition, at_ms) WHERE aside = 0;

-- Mail that nobody has used: in the mailbox of a scope (`path`, in the order of `place`), or a signal that waits for
-- somebody who wants it. Of a signal that was handed over `until_ms` tells that it was one.
CREATE TABLE mail (
    arrived INTEGER PRIMARY KEY,
    n INTEGER NOT NULL,
    path TEXT,
    place INTEGER,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    signal_name TEXT,
    signal_key TEXT,
    until_ms INTEGER,
    returned INTEGER NOT NULL DEFAULT 0,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX mail_box ON mail (n, path, place) WHERE path IS NOT NULL;
CREATE INDEX mail_id ON mail (n, path, id) WHERE path IS NOT NULL;
CREATE INDEX mail_operators ON mail (n, path, place) WHERE kind IN ('cancel', 'operate', 'pause', 'resume');
CREATE INDEX mail_signal ON mail (n, signal_name, signal_key, arrived) WHERE path IS NULL;
CREATE INDEX mail_lapsed ON mail (until_ms) WHERE path IS NULL;

-- Ids of all mail that the job ever took.
CREATE TABLE mail_ids (n INTEGER NOT NULL, id TEXT NOT NULL, PRIMARY KEY (n, id)) STRICT, WITHOUT ROWID;
-- How many of them count together: `signal`, `signal <sender>`, `operator`, `cancel`.
CREATE TABLE mail_counts (n INTEGER NOT NULL, word TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (n, word)) STRICT, WITHOUT ROWID;

-- What closings left behind: subtrees in which open things remain.
CREATE TABLE sweeps (partition INTEGER NOT NULL, n INTEGER NOT NULL, path TEXT NOT NULL, why TEXT NOT NULL,
    PRIMARY KEY (partition, n, path)) STRICT, WITHOUT ROWID;

-- Jobs that have left with more records than one step removes: their rows in other tables are still there.
CREATE TABLE leaving (partition INTEGER NOT NULL, n INTEGER NOT NULL, job TEXT NOT NULL,
    PRIMARY KEY (partition, n)) STRICT, WITHOUT ROWID;

CREATE TABLE post (
    place INTEGER PRIMARY KEY,
    partition INTEGER NOT NULL,
    job TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    body BLOB NOT NULL,
    target TEXT NOT NULL,
    signal_name TEXT,
    signal_key TEXT,
    sender TEXT NOT NULL,
    UNIQUE (partition, id)
) STRICT;
CREATE INDEX post_partition ON post (partition, place);

CREATE TABLE outbox (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    partition INTEGER NOT NULL,
    job TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    path TEXT NOT NULL,
    cause TEXT NOT NULL,
    record BLOB NOT NULL
) STRICT;
CREATE INDEX outbox_partition ON outbox (partition, position);

CREATE TABLE workers (worker TEXT PRIMARY KEY, record BLOB NOT NULL, usage BLOB, until_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- What a client has taken in a period. A file from before there were counters gets the table when it is opened.
CREATE TABLE IF NOT EXISTS counters (
    client TEXT NOT NULL,
    period TEXT NOT NULL,
    partition INTEGER NOT NULL,
    taken INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    PRIMARY KEY (client, period)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS counters_until ON counters (partition, until_ms);

-- What replicas agree on beside jobs; `agreed_number <topic>` in avtomat_meta moves with each topic.
CREATE TABLE IF NOT EXISTS agreed (
    topic TEXT NOT NULL,
    name TEXT NOT NULL,
    record BLOB NOT NULL,
    PRIMARY KEY (topic, name)
) STRICT, WITHOUT ROWID;

-- The worker that took the last attempt of a sticky name, and until when that counts.
CREATE TABLE IF NOT EXISTS sticky (
    partition INTEGER NOT NULL,
    name TEXT NOT NULL,
    worker TEXT NOT NULL,
    until_ms INTEGER NOT NULL,
    PRIMARY KEY (partition, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sticky_until ON sticky (partition, until_ms);
CREATE INDEX IF NOT EXISTS attempts_reserved ON attempts (partition, worker, since_ms) WHERE phase = 'delayed' AND worker IS NOT NULL;
