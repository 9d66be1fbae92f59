package avtomat;

import java.util.function.BooleanSupplier;

/** Something changed: everybody who waits for a condition looks again. */
final class Changed {
    static final long FOREVER_MS = Long.MAX_VALUE / 4_000_000;

    synchronized void announce() {
        notifyAll();
    }

    /** Waits until the condition holds; false when it does not within the time. */
    synchronized boolean until(BooleanSupplier condition, long ms) throws InterruptedException {
        long end = System.nanoTime() + ms * 1_000_000;
        while (!condition.getAsBoolean()) {
            long left = (end - System.nanoTime()) / 1_000_000;
            if (left <= 0) {
                return false;
            }
            wait(left);
        }
        return true;
    }
}
