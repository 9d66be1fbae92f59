import avtomat.Json;
import java.math.BigInteger;
import java.util.Collections;
import java.util.List;
import java.util.Map;

/** What the reader and writer of JSON promise; it ends with an exception where one is broken. */
public final class JsonTest {
    private static final List<String> SAME = List.of(
            "null", "true", "[1,-2,1.5,1.0E-7]", "{\"a\":[],\"b\":{},\"\":\"\"}", "9007199254740993",
            "123456789012345678901234567890", "\"é🙂\\\"\\\\\\u0001\"", "[[[[[[]]]]]]");
    private static final List<String> REFUSED = List.of(
            "", "nul", "01", "1.", "+1", ".5", "[1,]", "[1 2]", "{\"a\"}", "{a:1}", "\"a", "\"\\x\"", "\"\\u12g4\"",
            "1 1", "NaN", "\"\n\"", "[".repeat(10_000));

    private JsonTest() {}

    enum Colour { RED }

    record Point(int x, Colour colour) {}

    public static void main(String[] arguments) {
        SAME.forEach(text -> same(text, Json.write(Json.read(text))));
        REFUSED.forEach(text -> refused(() -> Json.read(text), text));
        same("9007199254740993", String.valueOf(Json.read("9007199254740993")));
        same("9223372036854775808", Json.write(((BigInteger) Json.read("9223372036854775808"))));
        same("é🙂", Json.read("\"\\u00e9\\ud83d\\ude42\""));
        same("[1,2]", Json.write(new int[] {1, 2}));
        same("{\"x\":1,\"colour\":\"RED\"}", Json.write(new Point(1, Colour.RED)));
        same("\"?a\"", Json.write("\ud83da"));
        List<Object> own = new java.util.ArrayList<>();
        own.add(own);
        for (Object value : List.of(Double.NaN, Float.POSITIVE_INFINITY, new Object(), own)) {
            refused(() -> Json.write(Collections.singletonList(value)), "a value of " + value.getClass());
        }
        same("{\"a\":null}", Json.write(Collections.singletonMap("a", null)));
        same(Map.of(), Json.read("{ }"));
        System.out.println("good");
    }

    private static void same(Object expected, Object found) {
        if (!expected.equals(found)) {
            throw new AssertionError("expected " + expected + ", found " + found);
        }
    }

    private static void refused(Runnable reading, String what) {
        try {
            reading.run();
        } catch (IllegalArgumentException expected) {
            return;
        }
        throw new AssertionError("not refused: " + what);
    }
}
