package avtomat;

import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Speaks the worker protocol over HTTP: one method a call. Nothing is repeated here, and no redirect is followed. */
final class Engine {
    static final long REQUEST_MS = 15_000;
    private static final String PROTOCOL_VERSION = "1.0b17";
    private static final Set<Integer> PASSING = Set.of(408, 425, 429);

    private final HttpClient http = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .followRedirects(HttpClient.Redirect.NEVER) // it would carry the token elsewhere
            .connectTimeout(Duration.ofMillis(REQUEST_MS))
            .build();
    private final String url;
    private final String workerId;
    private final String token;

    Engine(String url, String workerId, String token) {
        this.url = url.replaceAll("/+$", "") + "/_worker";
        this.workerId = workerId;
        this.token = token;
    }

    void register(Map<String, Object> registration) throws EngineException, InterruptedException {
        ask("POST", "/workers/register", Json.write(registration), REQUEST_MS);
    }

    /** Returns the orders of the engine. */
    Map<?, ?> heartbeat(Map<String, Object> message) throws EngineException, InterruptedException {
        Object answer = ask("PATCH", "/workers/" + workerId, Json.write(message), REQUEST_MS);
        return answer instanceof Map<?, ?> orders ? orders : Map.of();
    }

    /** Waits for tasks; none is an answer too. `holding` is null when it is not said. */
    List<?> poll(long timeoutMs, Collection<String> kinds, int max, String nonce, Collection<String> holding)
            throws EngineException, InterruptedException {
        String query = "timeout=" + timeoutMs / 1000.0 + "&available_skills=" + encode(String.join(",", kinds))
                + "&max=" + max + "&nonce=" + encode(nonce)
                + (holding == null ? "" : "&holding=" + encode(String.join(",", holding)));
        Object answer = ask("GET", "/workers/" + workerId + "/tasks/next?" + query, null, timeoutMs + REQUEST_MS);
        return answer == null ? List.of() : answer instanceof List<?> list ? list : List.of(answer);
    }

    /** Hands results over, each as JSON text, in one request. Returns the receipts, in their order. */
    List<?> deliver(List<String> results) throws EngineException, InterruptedException {
        String body = results.size() == 1 ? results.get(0) : "[" + String.join(",", results) + "]";
        Object answer = ask("POST", "/tasks/result", body, REQUEST_MS);
        List<?> receipts = answer instanceof List<?> list ? list : answer == null ? List.of() : List.of(answer);
        if (receipts.size() != results.size()) {
            String found = results.size() + " results were sent, " + receipts.size() + " receipts came";
            throw EngineException.unavailable(found);
        }
        return receipts;
    }

    void event(Map<String, Object> message) throws EngineException, InterruptedException {
        ask("POST", "/events", Json.write(message), REQUEST_MS);
    }

    private Object ask(String method, String path, String body, long timeoutMs)
            throws EngineException, InterruptedException {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url + path))
                .timeout(Duration.ofMillis(timeoutMs))
                .header("X-Worker-ID", workerId)
                .header("X-RXON-Version", PROTOCOL_VERSION)
                .method(method, body == null ? BodyPublishers.noBody() : BodyPublishers.ofString(body));
        if (!token.isEmpty()) {
            request.header("X-Worker-Token", token);
        }
        if (body != null) {
            request.header("Content-Type", "application/json");
        }
        try {
            return answerOf(http.send(request.build(), BodyHandlers.ofString(StandardCharsets.UTF_8)));
        } catch (IOException error) {
            throw EngineException.unavailable("no answer from " + url + ": " + error);
        }
    }

    private static Object answerOf(HttpResponse<String> response) throws EngineException {
        int status = response.statusCode();
        String text = response.body();
        if (status >= 200 && status < 300) {
            try {
                return text.isEmpty() ? null : Json.read(text);
            } catch (IllegalArgumentException error) {
                throw EngineException.unavailable("the engine's answer is " + error.getMessage());
            }
        }
        String message = "the engine answered " + status + ": " + text.substring(0, Math.min(500, text.length()));
        if (PASSING.contains(status) || status >= 500) {
            String later = response.headers().firstValue("Retry-After").orElse("");
            long retryAfterMs = retryAfterMs(later, Instant.now());
            throw new EngineException(EngineException.Kind.UNAVAILABLE, message, status, retryAfterMs);
        }
        EngineException.Kind kind = status == 404 ? EngineException.Kind.UNKNOWN_WORKER : EngineException.Kind.REFUSED;
        throw new EngineException(kind, message, status, 0);
    }

    /** The milliseconds of a Retry-After header, which has a number or a date (RFC 9110, 10.2.3); 0 for neither. */
    private static long retryAfterMs(String header, Instant now) {
        if (header.matches("[0-9]{1,9}(\\.[0-9]{1,9})?")) {
            return (long) (Double.parseDouble(header) * 1000);
        }
        try {
            Instant at = ZonedDateTime.parse(header, DateTimeFormatter.RFC_1123_DATE_TIME).toInstant();
            return Math.max(0, Duration.between(now, at).toMillis());
        } catch (DateTimeParseException error) {
            return 0;
        }
    }

    private static String encode(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }
}
