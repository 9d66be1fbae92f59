package avtomat;

import java.lang.reflect.Proxy;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A process that takes tasks from an engine.
 *
 * One poll at a time: then the list of what the worker holds is complete when a poll is sent, and the engine takes back
 * what it handed out and never arrived. A poll that failed is repeated under the same nonce, so what the lost answer
 * brought comes again. A stop: no more polls, running tasks finish within the drain time, the rest is interrupted and
 * given back, results are delivered, and the engine is told that the worker is gone.
 */
public final class Worker {
    private static final long POLL_MS = 30_000;
    private static final long FLUSH_MS = 3_000;
    private static final int TASKS_PER_POLL_MAX = 100;
    private static final int HOLDING_CHARACTERS_MAX = 4_000;
    private static final SecureRandom RANDOM = new SecureRandom();

    final String workerId;
    private final int concurrency;
    private final Map<String, TaskFunction> functions = new LinkedHashMap<>();
    private final Changed changed = new Changed();
    private final Engine engine;
    private final Outbox outbox;
    private final Progress progress;
    private final Running running;
    private final Heartbeats heartbeats;
    private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor(Worker::daemon);
    private volatile long drainMs = 15_000;
    private volatile boolean stopping;
    private volatile Thread polling;
    private volatile String nonce = newNonce();

    /** With the address, token and name of the environment: AVTOMAT_URL, AVTOMAT_WORKER_TOKEN, AVTOMAT_WORKER_ID. */
    public Worker(int concurrency) {
        this(System.getenv("AVTOMAT_URL"), System.getenv("AVTOMAT_WORKER_TOKEN"), System.getenv("AVTOMAT_WORKER_ID"),
                concurrency);
    }

    /**
     * The engine's address, this worker's secret (or null), its name (null: host, process and chance), and how many
     * tasks run at a time.
     */
    public Worker(String url, String token, String workerId, int concurrency) {
        boolean isAddress = url != null && url.matches("https?://.*");
        demand(isAddress, "the engine's address starts with http:// or https://: " + url);
        this.workerId = workerId == null ? inventedId() : workerId;
        demand(this.workerId.matches("[A-Za-z0-9_-]{1,128}"), "a worker id is 1 to 128 letters, digits, _ and -");
        demand(concurrency >= 1, "concurrency is at least 1, not " + concurrency);
        this.concurrency = concurrency;
        engine = new Engine(url, this.workerId, token == null ? "" : token);
        outbox = new Outbox(engine, this, changed);
        progress = new Progress(engine, this);
        running = new Running(this, functions, concurrency, timer, progress::report, changed);
        heartbeats = new Heartbeats(engine, this, running, outbox);
    }

    /** Lets {@code work} do the tasks of {@code kind}. */
    public Worker task(String kind, TaskFunction work) {
        boolean isKind = kind.matches("[A-Za-z0-9_.-]{1,128}");
        demand(isKind, "a kind of task is 1 to 128 letters, digits, _, - and .: " + kind);
        demand(functions.putIfAbsent(kind, work) == null, "the task " + kind + " has a function already");
        return this;
    }

    /** How long running tasks may take to finish after SIGTERM; 15 seconds by default. */
    public Worker drainMs(long ms) {
        drainMs = ms;
        return this;
    }

    /**
     * Works until SIGTERM or SIGINT, or {@link #stop}. A second signal ends the process at once. Throws EngineException
     * when the engine does not want this worker (a wrong token, a wrong address).
     */
    public void run() throws EngineException, InterruptedException {
        AtomicInteger signals = new AtomicInteger();
        onSignal("TERM", () -> stopOrHalt(signals, 143));
        onSignal("INT", () -> stopOrHalt(signals, 130));
        serve();
    }

    /** The same without signals: works until {@link #stop}. A worker serves once. */
    public void serve() throws EngineException, InterruptedException {
        demand(!functions.isEmpty(), "the worker has no tasks: give it one with task(kind, work)");
        if (!registerFirst()) {
            return;
        }
        List<Thread> others = List.of(
                begin("heartbeats", heartbeats::beatForever),
                begin("outbox", outbox::deliverForever),
                begin("progress", progress::sendForever));
        polling = begin("polls", this::pollUntilStopped);
        changed.until(() -> stopping, Changed.FOREVER_MS);
        polling.interrupt();
        polling.join();
        heartbeats.beatAtOnce();
        atMost(FLUSH_MS, this::giveBackWhatNeverArrived);
        drain();
        others.forEach(Thread::interrupt);
        timer.shutdownNow();
        atMost(FLUSH_MS, this::sayGoodbye);
    }

    /** Lets running tasks finish, then ends {@link #run}. Returns at once. */
    public void stop() {
        stopping = true;
        changed.announce();
    }

    /** Where the worker tells what goes wrong. */
    void log(String line) {
        System.err.println("avtomat-worker: " + line);
    }

    void registerAgain() throws InterruptedException {
        try {
            engine.register(registrationMessage());
        } catch (EngineException error) {
            log("not registered again: " + error.getMessage());
        }
    }

    String status() {
        if (stopping) {
            return "draining";
        }
        return running.free() == 0 ? "full" : running.free() < concurrency ? "busy" : "idle";
    }

    Map<String, Object> heartbeatMessage(String status) {
        Map<String, Object> message = new LinkedHashMap<>();
        message.put("worker_id", workerId);
        message.put("status", status);
        message.put("current_tasks", held());
        message.put("skills_hash", skillsHash());
        message.put("timestamp", System.currentTimeMillis() / 1000);
        return message;
    }

    /** What names an attempt in its result. */
    Map<String, Object> headOf(Assignment task, long tookNs) {
        Map<String, Object> head = new LinkedHashMap<>();
        head.put("job_id", task.jobId());
        head.put("task_id", task.taskId());
        head.put("worker_id", workerId);
        head.put("costs", Map.of("execution_time_seconds", tookNs / 1_000_000 / 1000.0));
        head.put("timestamp", System.currentTimeMillis() / 1000);
        return head;
    }

    void ended(Assignment task, Map<String, Object> head, String body) {
        progress.forget(task.taskId());
        outbox.put(head, body, task.leaseMs());
    }

    /** Registers, however long the engine takes to be there; false when a stop came first. */
    private boolean registerFirst() throws EngineException, InterruptedException {
        Backoff backoff = new Backoff();
        while (!stopping) {
            try {
                engine.register(registrationMessage());
                return true;
            } catch (EngineException error) {
                if (error.kind != EngineException.Kind.UNAVAILABLE) {
                    throw error;
                }
                long ms = backoff.nextMs(error);
                log("not registered, the next try in " + ms + " ms: " + error.getMessage());
                changed.until(() -> stopping, ms);
            }
        }
        return false;
    }

    private void pollUntilStopped() throws InterruptedException {
        Backoff backoff = new Backoff();
        while (true) {
            changed.until(() -> stopping || running.free() > 0 && outbox.hasRoom(), Changed.FOREVER_MS);
            if (stopping) {
                return;
            }
            long askedAt = System.nanoTime();
            List<Assignment> tasks;
            try {
                tasks = poll(running.free(), POLL_MS);
            } catch (EngineException error) {
                pollFailed(error, backoff.nextMs(error));
                continue;
            }
            nonce = newNonce();
            for (Assignment task : tasks) {
                running.start(task);
                heartbeats.taskStarted();
            }
            if (!tasks.isEmpty() || System.nanoTime() - askedAt >= POLL_MS * 500_000) {
                backoff.reset();
            } else { // an engine that does not let polls wait must not be asked in a loop
                changed.until(() -> stopping, backoff.nextMs(null));
            }
        }
    }

    private void pollFailed(EngineException error, long ms) throws InterruptedException {
        log("no tasks, the next poll in " + ms + " ms: " + error.getMessage());
        changed.until(() -> stopping, ms);
        if (error.kind == EngineException.Kind.UNKNOWN_WORKER) {
            registerAgain();
        }
    }

    private List<Assignment> poll(int max, long timeoutMs) throws EngineException, InterruptedException {
        Collection<String> held = held();
        // a URL is no longer than servers take
        boolean fits = String.join(",", held).length() <= HOLDING_CHARACTERS_MAX;
        int asked = Math.min(max, TASKS_PER_POLL_MAX);
        List<Assignment> tasks = new ArrayList<>();
        for (Object payload : engine.poll(timeoutMs, functions.keySet(), asked, nonce, fits ? held : null)) {
            Assignment task = Assignment.of(payload, Heartbeats.LEASE_DEFAULT_MS);
            if (task != null) {
                tasks.add(task);
            }
        }
        return tasks;
    }

    private Collection<String> held() {
        Collection<String> held = new LinkedHashSet<>(running.taskIds());
        held.addAll(outbox.taskIds());
        return held;
    }

    /** After the last poll was dropped: ask for nothing, and say what is held, so that the rest is released. */
    private void giveBackWhatNeverArrived() throws InterruptedException {
        nonce = newNonce();
        try {
            poll(0, 0);
        } catch (EngineException error) {
            log("tasks that never arrived go back when their leases end: " + error.getMessage());
        }
    }

    private void drain() throws InterruptedException {
        changed.until(() -> running.taskIds().isEmpty(), drainMs);
        running.taskIds().forEach(taskId -> running.cancel(taskId, Outcome.Why.STOPPING));
        changed.until(() -> running.taskIds().isEmpty(), Running.CANCEL_GRACE_MS);
        running.abandon();
        if (!changed.until(outbox::isEmpty, FLUSH_MS)) {
            log(outbox.taskIds().size() + " results could not be delivered before the stop");
        }
    }

    private void sayGoodbye() throws InterruptedException {
        try {
            engine.heartbeat(heartbeatMessage("offline"));
        } catch (EngineException error) {
            log("the engine was not told that the worker stops: " + error.getMessage());
        }
    }

    private Map<String, Object> registrationMessage() {
        Map<String, Object> message = new LinkedHashMap<>();
        message.put("worker_id", workerId);
        message.put("worker_type", "java");
        message.put("supported_skills", functions.keySet().stream().map(kind -> Map.of("name", kind)).toList());
        message.put("available_skills", functions.keySet());
        message.put("skills_hash", skillsHash());
        message.put("capabilities", Map.of("hostname", hostName()));
        message.put("timestamp", System.currentTimeMillis() / 1000);
        return message;
    }

    private String skillsHash() {
        return Integer.toHexString(String.join(",", functions.keySet()).hashCode());
    }

    private void stopOrHalt(AtomicInteger signals, int code) {
        if (signals.incrementAndGet() > 1) {
            Runtime.getRuntime().halt(code);
        }
        log("stopping: running tasks may finish; the next signal ends at once");
        stop();
    }

    /** Hears a signal without ending the process, which no shutdown hook can do: sun.misc.Signal (jdk.unsupported). */
    private void onSignal(String name, Runnable heard) {
        try {
            Class<?> signal = Class.forName("sun.misc.Signal");
            Class<?> handler = Class.forName("sun.misc.SignalHandler");
            Class<?>[] handlers = {handler};
            Object ours = Proxy.newProxyInstance(handler.getClassLoader(), handlers, (proxy, method, given) -> {
                heard.run();
                return null;
            });
            signal.getMethod("handle", signal, handler)
                    .invoke(null, signal.getConstructor(String.class).newInstance(name), ours);
        } catch (ReflectiveOperationException error) {
            log("SIG" + name + " is not heard, call stop(): " + error);
        }
    }

    /** Something that goes on until it is interrupted. */
    private interface Work {
        void run() throws InterruptedException;
    }

    private Thread begin(String name, Work work) {
        Thread thread = daemon(() -> {
            try {
                work.run();
            } catch (InterruptedException stopped) {
                Thread.currentThread().interrupt();
            }
        });
        thread.setName("avtomat " + name);
        thread.start();
        return thread;
    }

    private void atMost(long ms, Work work) throws InterruptedException {
        Thread thread = begin("stop", work);
        thread.join(ms);
        thread.interrupt();
    }

    private static Thread daemon(Runnable work) {
        Thread thread = new Thread(work);
        thread.setDaemon(true);
        return thread;
    }

    private static String newNonce() {
        return Long.toHexString(RANDOM.nextLong()) + Long.toHexString(RANDOM.nextLong());
    }

    private static String inventedId() {
        String host = hostName().replaceAll("[^A-Za-z0-9_-]", "-");
        String start = host.substring(0, Math.min(64, host.length()));
        return start + "-" + ProcessHandle.current().pid() + "-" + Integer.toHexString(RANDOM.nextInt());
    }

    private static String hostName() {
        try {
            return InetAddress.getLocalHost().getHostName();
        } catch (UnknownHostException error) {
            return "unknown";
        }
    }

    private static void demand(boolean met, String otherwise) {
        if (!met) {
            throw new IllegalArgumentException(otherwise);
        }
    }
}
