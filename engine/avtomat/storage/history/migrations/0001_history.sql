-- Histories of jobs, as the stores' outboxes brought them. Times are milliseconds since the epoch on the store's clock.
-- Run again where one of the tables was dropped.

-- One entry of a job's history. `record` is JSON as UTF-8, with U+FFFD for U+0000, which jsonb does not hold:
-- convert_from(record, 'UTF8')::jsonb reads it. Of a job's entries those count that no entry with a higher epoch and the
-- same or a lower seq overrules.
CREATE TABLE IF NOT EXISTS avtomat_history (
    job text NOT NULL,
    seq integer NOT NULL,
    epoch integer NOT NULL,
    at_ms bigint NOT NULL,
    path text NOT NULL,
    cause text NOT NULL,
    record bytea NOT NULL,
    PRIMARY KEY (job, seq, epoch)
);

-- Whose a job is, and since when it has ended: retention counts from there.
CREATE TABLE IF NOT EXISTS avtomat_history_jobs (
    job text PRIMARY KEY,
    client text NOT NULL,
    ended_ms bigint
);
CREATE INDEX IF NOT EXISTS avtomat_history_jobs_ended ON avtomat_history_jobs (ended_ms) WHERE ended_ms IS NOT NULL;

-- How far each partition's outbox was taken over; `epoch` rises when its store was set back.
CREATE TABLE IF NOT EXISTS avtomat_history_streams (
    partition integer PRIMARY KEY,
    position text NOT NULL,
    epoch integer NOT NULL
);
