package avtomat;

import java.lang.reflect.Array;
import java.lang.reflect.RecordComponent;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Read and write JSON (RFC 8259).
 *
 * Read are: null, Boolean, String, Long or BigInteger for whole numbers, Double for others, List, and Map in the order
 * of the text. Written are these, other numbers, arrays, enums by name and records by their components.
 */
public final class Json {
    private static final int DEPTH_MAX = 500;

    private final String text;
    private int at;
    private int depth;

    private Json(String text) {
        this.text = text;
    }

    /** Returns the value of a text. Throws IllegalArgumentException, with the place, for what is no JSON. */
    public static Object read(String text) {
        Json reader = new Json(text);
        Object value = reader.value();
        reader.space();
        if (reader.at < text.length()) {
            throw reader.wrong("more than one value");
        }
        return value;
    }

    /** Returns the text of a value. Throws IllegalArgumentException for what JSON cannot say, NaN included. */
    public static String write(Object value) {
        StringBuilder out = new StringBuilder();
        write(value, out, 0);
        return out.toString();
    }

    private Object value() {
        space();
        if (at >= text.length()) {
            throw wrong("the end of the text");
        }
        char c = text.charAt(at);
        return switch (c) {
            case '{' -> map();
            case '[' -> list();
            case '"' -> string();
            case 't' -> word("true", true);
            case 'f' -> word("false", false);
            case 'n' -> word("null", null);
            default -> number();
        };
    }

    private Map<String, Object> map() {
        Map<String, Object> map = new LinkedHashMap<>();
        open();
        if (!closes('}')) {
            do {
                space();
                if (at >= text.length() || text.charAt(at) != '"') {
                    throw wrong("no key");
                }
                String key = string();
                expect(':');
                map.put(key, value());
            } while (goesOn('}'));
        }
        depth--;
        return map;
    }

    private List<Object> list() {
        List<Object> list = new ArrayList<>();
        open();
        if (!closes(']')) {
            do {
                list.add(value());
            } while (goesOn(']'));
        }
        depth--;
        return list;
    }

    private void open() {
        at++;
        if (++depth > DEPTH_MAX) {
            throw wrong("more than " + DEPTH_MAX + " levels");
        }
    }

    private boolean closes(char end) {
        space();
        if (at < text.length() && text.charAt(at) == end) {
            at++;
            return true;
        }
        return false;
    }

    private boolean goesOn(char end) {
        if (closes(end)) {
            return false;
        }
        expect(',');
        return true;
    }

    private void expect(char c) {
        space();
        if (at >= text.length() || text.charAt(at) != c) {
            throw wrong("no '" + c + "'");
        }
        at++;
    }

    private Object word(String word, Object value) {
        if (!text.startsWith(word, at)) {
            throw wrong("an unknown word");
        }
        at += word.length();
        return value;
    }

    private Number number() {
        int start = at;
        while (at < text.length() && "+-0123456789.eE".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
        String number = text.substring(start, at);
        if (!number.matches("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?")) {
            at = start;
            throw wrong("no value");
        }
        if (number.matches("-?[0-9]+")) {
            return number.length() <= 18 ? Long.valueOf(number) : whole(new BigInteger(number));
        }
        return Double.valueOf(number);
    }

    private static Number whole(BigInteger number) {
        return number.bitLength() < Long.SIZE ? (Number) number.longValue() : number;
    }

    private String string() {
        StringBuilder out = new StringBuilder();
        for (at++; at < text.length(); at++) {
            char c = text.charAt(at);
            if (c == '"') {
                at++;
                return out.toString();
            }
            if (c < ' ') {
                throw wrong("a control character");
            }
            out.append(c == '\\' ? escaped() : c);
        }
        throw wrong("no end of the text in quotes");
    }

    private char escaped() {
        if (++at >= text.length()) {
            throw wrong("the end of the text");
        }
        char c = text.charAt(at);
        switch (c) {
            case '"', '\\', '/':
                return c;
            case 'b':
                return '\b';
            case 'f':
                return '\f';
            case 'n':
                return '\n';
            case 'r':
                return '\r';
            case 't':
                return '\t';
            case 'u':
                if (!text.substring(at + 1, Math.min(at + 5, text.length())).matches("[0-9a-fA-F]{4}")) {
                    throw wrong("no four hex digits");
                }
                at += 4;
                return (char) Integer.parseInt(text, at - 3, at + 1, 16);
            default:
                throw wrong("an unknown escape");
        }
    }

    private void space() {
        while (at < text.length() && " \t\n\r".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private IllegalArgumentException wrong(String found) {
        return new IllegalArgumentException("not JSON at character " + at + ": " + found);
    }

    private static void write(Object value, StringBuilder out, int depth) {
        if (depth > DEPTH_MAX) {
            throw new IllegalArgumentException("more than " + DEPTH_MAX + " levels; does it hold itself?");
        }
        if (value == null || value instanceof Boolean) {
            out.append(value);
        } else if (value instanceof CharSequence || value instanceof Character || value instanceof Enum) {
            quote(value instanceof Enum<?> constant ? constant.name() : value.toString(), out);
        } else if (value instanceof Number number) {
            writeNumber(number, out);
        } else if (value instanceof Map<?, ?> map) {
            writeMap(map, out, depth);
        } else if (value instanceof Iterable<?> values) {
            writeList(values, out, depth);
        } else if (value.getClass().isArray()) {
            List<Object> values = new ArrayList<>();
            for (int i = 0; i < Array.getLength(value); i++) {
                values.add(Array.get(value, i));
            }
            writeList(values, out, depth);
        } else if (value instanceof Record) {
            writeMap(components(value), out, depth);
        } else {
            throw new IllegalArgumentException("a " + value.getClass().getName() + " is not JSON");
        }
    }

    private static void writeNumber(Number number, StringBuilder out) {
        if (!Double.isFinite(number.doubleValue()) && !(number instanceof BigInteger || number instanceof BigDecimal)) {
            throw new IllegalArgumentException(number + " is not JSON");
        }
        out.append(number);
    }

    private static void writeMap(Map<?, ?> map, StringBuilder out, int depth) {
        String before = "{";
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            out.append(before);
            quote(String.valueOf(entry.getKey()), out);
            out.append(':');
            write(entry.getValue(), out, depth + 1);
            before = ",";
        }
        out.append(map.isEmpty() ? "{}" : "}");
    }

    private static void writeList(Iterable<?> values, StringBuilder out, int depth) {
        out.append('[');
        String before = "";
        for (Object value : values) {
            out.append(before);
            write(value, out, depth + 1);
            before = ",";
        }
        out.append(']');
    }

    private static Map<String, Object> components(Object entry) {
        Map<String, Object> map = new LinkedHashMap<>();
        for (RecordComponent component : entry.getClass().getRecordComponents()) {
            try {
                component.getAccessor().setAccessible(true);
                map.put(component.getName(), component.getAccessor().invoke(entry));
            } catch (ReflectiveOperationException error) {
                throw new IllegalArgumentException(component.getName() + " of " + entry.getClass().getName(), error);
            }
        }
        return map;
    }

    private static void quote(String value, StringBuilder out) {
        out.append('"');
        for (int i = 0; i < value.length(); i++) {
            char c = value.charAt(i);
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < ' ' || isLoneSurrogate(value, i)) { // UTF-8 cannot say half of a character
                out.append(String.format(c < ' ' ? "\\u%04x" : "?", (int) c));
            } else {
                out.append(c);
            }
        }
        out.append('"');
    }

    private static boolean isLoneSurrogate(String value, int i) {
        char c = value.charAt(i);
        if (Character.isHighSurrogate(c)) {
            return i + 1 >= value.length() || !Character.isLowSurrogate(value.charAt(i + 1));
        }
        return Character.isLowSurrogate(c) && (i == 0 || !Character.isHighSurrogate(value.charAt(i - 1)));
    }
}
