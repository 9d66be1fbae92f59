package avtomat;

/** Throw it in a task to fail the attempt with a code that blueprints can name in {@code retry} and {@code catch}. */
public final class TaskError extends Exception {
    private static final long serialVersionUID = 1L;

    /** A text like CARD_DECLINED. */
    public final String code;
    /** Any JSON, or null. */
    public final transient Object details;

    public TaskError(String code, String message) {
        this(code, message, null);
    }

    public TaskError(String code, String message, Object details) {
        super(message == null ? "" : message);
        if (code == null || code.isEmpty()) {
            throw new IllegalArgumentException("an error code is a text like CARD_DECLINED");
        }
        this.code = code;
        this.details = details;
    }
}
