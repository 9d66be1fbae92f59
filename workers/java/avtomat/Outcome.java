package avtomat;

import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/** How an attempt ended, as the text that is sent. */
final class Outcome {
    static final int OUTPUT_BYTES_MAX = 8_000_000;
    private static final int MESSAGE_CHARACTERS_MAX = 2_000;

    /** Why an attempt was given up. */
    enum Why { UNWANTED, LATE, STOPPING }

    private Outcome() {}

    /** The fields of a result whose task returned `value`; what is not JSON fails. */
    static String returned(Map<String, Object> head, Object value) {
        Result result = value instanceof Result given ? given : new Result(value, "success");
        String data;
        try {
            data = Json.write(result.data());
        } catch (IllegalArgumentException error) {
            String found = "the task returned what is not JSON: " + error.getMessage();
            return failed(head, "CONTRACT_VIOLATION_ERROR", found, null);
        }
        int size = data.getBytes(StandardCharsets.UTF_8).length;
        if (size > OUTPUT_BYTES_MAX) {
            String found = "the output has " + size + " bytes, at most " + OUTPUT_BYTES_MAX + " are allowed";
            return failed(head, "CONTRACT_VIOLATION_ERROR", found, null);
        }
        String text = with(head, Map.of("status", result.status()));
        return text.substring(0, text.length() - 1) + ",\"data\":" + data + "}";
    }

    /** The fields of a result whose task threw. */
    static String thrown(Map<String, Object> head, Throwable error) {
        if (!(error instanceof TaskError expected)) {
            return failed(head, "INTERNAL_ERROR", String.valueOf(error), null);
        }
        try {
            return failed(head, expected.code, expected.getMessage(), expected.details);
        } catch (IllegalArgumentException reason) {
            String message = expected.getMessage() + " (details left out: " + reason.getMessage() + ")";
            return failed(head, expected.code, message, null);
        }
    }

    static String failed(Map<String, Object> head, String code, String message, Object details) {
        Map<String, Object> error = new LinkedHashMap<>();
        error.put("code", code);
        error.put("message", message.substring(0, Math.min(MESSAGE_CHARACTERS_MAX, message.length())));
        error.put("details", details);
        return with(head, Map.of("status", "failure", "error", error));
    }

    /** Of an attempt that was given up; `STOPPING` lets another worker have it. */
    static String givenUp(Map<String, Object> head, Why why) {
        return switch (why) {
            case LATE -> failed(head, "TIMEOUT_ERROR", "the deadline passed before the task was done", null);
            case STOPPING -> with(head, Map.of("status", "cancelled", "given_back", true));
            case UNWANTED -> with(head, Map.of("status", "cancelled"));
        };
    }

    private static String with(Map<String, Object> head, Map<String, Object> fields) {
        Map<String, Object> all = new LinkedHashMap<>(head);
        all.putAll(fields);
        return Json.write(all);
    }
}
