package interop.peer;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;

/**
 * Keeps several calls in flight until stdin ends. It tells of each server that answers for the first time, of the first
 * failures, and of the counts in the end.
 */
final class Loop {
    private static final int CALLERS = 8;
    private static final int DELAY_MS = 20;
    private static final int FAILURES_SHOWN = 20;
    private static final Gson GSON = new GsonBuilder().disableHtmlEscaping().create();

    private final Caller caller;
    private final PrintStream out;
    private final long began = System.nanoTime();
    private final AtomicLong calls = new AtomicLong();
    private final AtomicLong failed = new AtomicLong();
    private final Set<String> seen = ConcurrentHashMap.newKeySet();
    private volatile boolean stopped;

    Loop(Caller caller, PrintStream out) {
        this.caller = caller;
        this.out = out;
    }

    /** Makes calls until one succeeds. */
    static void awaitProvider(Caller caller, int limitMs, PrintStream out) throws InterruptedException {
        boolean waiting = false;
        for (long until = System.nanoTime() + limitMs * 1_000_000L; ; Thread.sleep(100)) {
            try {
                caller.unary(0);
                return;
            } catch (RuntimeException e) {
                if (System.nanoTime() > until) {
                    throw e;
                }
                if (!waiting) {
                    waiting = true;
                    out.println("WAITING");
                    out.flush();
                }
            }
        }
    }

    void run() throws InterruptedException {
        List<Thread> callers = new ArrayList<>();
        for (int i = 0; i < CALLERS; i++) {
            Thread thread = new Thread(this::call);
            thread.start();
            callers.add(thread);
        }
        try {
            while (System.in.read() >= 0) {}
        } catch (java.io.IOException e) {
            // As good as its end.
        }
        stopped = true;
        for (Thread thread : callers) {
            thread.join();
        }
        tell("end", Map.of("calls", calls.get(), "failed", failed.get()));
    }

    private void call() {
        while (!stopped) {
            calls.incrementAndGet();
            try {
                String peer = caller.unary(DELAY_MS).getPeer();
                if (seen.add(peer)) {
                    tell("peer", Map.of("peer", peer));
                }
            } catch (RuntimeException e) {
                if (failed.incrementAndGet() <= FAILURES_SHOWN) {
                    tell("failure", Map.of("error", String.valueOf(e)));
                }
                try {
                    Thread.sleep(DELAY_MS);
                } catch (InterruptedException interrupted) {
                    return;
                }
            }
        }
    }

    private synchronized void tell(String what, Map<String, ?> more) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("loop", what);
        line.put("at", (System.nanoTime() - began) / 1_000_000);
        line.putAll(more);
        out.println(GSON.toJson(line));
        out.flush();
    }
}
