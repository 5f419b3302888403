/**
 * Calls `action` when every microtask has run: a turn of the event loop, no time passes. This is how the SDK sees that a handler
 * has nothing to do but to wait. The one place that touches the platform's scheduler.
 */
export const afterMicrotasks: (action: () => void) => void =
  typeof setImmediate === 'function' ? (action) => void setImmediate(action) : (action) => void setTimeout(action, 0)
