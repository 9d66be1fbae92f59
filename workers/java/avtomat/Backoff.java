package avtomat;

import java.util.concurrent.ThreadLocalRandom;

/** The pauses after failures in a row: doubling, jittered, never shorter than the engine asked for. */
final class Backoff {
    static final long FIRST_MS = 500;
    private static final long MAX_MS = 30_000;
    /** A longer Retry-After is not believed. */
    private static final long RETRY_AFTER_MAX_MS = 300_000;

    private int failures;

    void reset() {
        failures = 0;
    }

    long nextMs(EngineException error) {
        double ceiling = Math.min(MAX_MS, FIRST_MS * Math.pow(2, Math.min(failures, 30)));
        failures++;
        long asked = error == null ? 0 : Math.min(error.retryAfterMs, RETRY_AFTER_MAX_MS);
        return Math.max((long) (ceiling * (0.5 + ThreadLocalRandom.current().nextDouble() / 2)), asked);
    }
}
