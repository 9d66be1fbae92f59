package avtomat;

/** The engine did not do what was asked. */
public final class EngineException extends Exception {
    private static final long serialVersionUID = 1L;

    /** What repeating the request would help. */
    public enum Kind {
        /** Not now: network, 408, 425, 429, 5xx. */
        UNAVAILABLE,
        /** The engine forgot this worker (404). */
        UNKNOWN_WORKER,
        /** Repeating the same request cannot help. */
        REFUSED
    }

    public final Kind kind;
    /** The HTTP status; 0 without an answer. */
    public final int status;
    /** How long the engine asked to be left alone; 0 if it did not. */
    public final long retryAfterMs;

    EngineException(Kind kind, String message, int status, long retryAfterMs) {
        super(message);
        this.kind = kind;
        this.status = status;
        this.retryAfterMs = retryAfterMs;
    }

    static EngineException unavailable(String message) {
        return new EngineException(Kind.UNAVAILABLE, message, 0, 0);
    }

    boolean isAboutTheToken() {
        return status == 401 || status == 403;
    }
}
