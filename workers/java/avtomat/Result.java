package avtomat;

import java.util.Locale;
import java.util.Set;

/** Return it from a task to end with a status word of your own, which blueprints read as {@code status}. */
public record Result(Object data, String status) {
    private static final Set<String> RESERVED = Set.of("failure", "failed", "error", "cancelled");
    private static final int STATUS_CHARACTERS_MAX = 128;

    public Result {
        boolean fits = status != null && !status.isEmpty() && status.length() <= STATUS_CHARACTERS_MAX;
        fits = fits && status.chars().noneMatch(Character::isISOControl);
        if (!fits || RESERVED.contains(status.toLowerCase(Locale.ROOT))) {
            throw new IllegalArgumentException(status + " cannot be a status: take a text of 1 to 128 characters on "
                    + "one line, other than failure, failed, error, cancelled; to fail, throw TaskError");
        }
    }
}
