package avtomat;

import java.util.Map;

/** What does a task. It runs in a thread of its own, which is interrupted when nobody wants the result any more. */
@FunctionalInterface
public interface TaskFunction {
    /**
     * Returns the output: null, a text, a number, a boolean, a map, a list or an array of these, a record, or a
     * {@link Result} with a status word. {@link TaskError} fails the attempt with a code of your own; any other
     * exception is INTERNAL_ERROR, which is retried by default.
     */
    Object run(Map<String, Object> params, TaskContext context) throws Exception;
}
