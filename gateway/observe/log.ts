import pino from 'pino'
import { redacted } from './redact.ts'

/** Levels from talkative to silent. `info` is one line per border crossing that people ask about afterwards. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export type LogFields = Readonly<Record<string, unknown>>

/**
 * One JSON line per call, on standard output. Every string and field passes `redacted` first, so that no push token or
 * credential can get out by way of an error message.
 */
export interface Log {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  /** Ask before formatting anything for `debug` on the hot path. */
  readonly isDebug: boolean
}

/** A log that can be made to write out what it holds: call `flush` before the process ends. */
export interface ProcessLog extends Log {
  flush(): void
}

/** What takes finished lines: standard output, or a test. */
export interface LineSink {
  write(line: string): void
}

export function createLog(level: LogLevel, sink?: LineSink): ProcessLog {
  // Lines are gathered and written in chunks: a write per line would cost a system call per border crossing.
  const stdout = sink ? undefined : pino.destination({ fd: 1, minLength: 4096, periodicFlush: 500, sync: true })
  const options = { level, base: null, formatters: { level: (label: string) => ({ level: label }) } }
  const logger = pino(options, sink ?? stdout!)
  const writer = (name: 'debug' | 'info' | 'warn' | 'error') => (message: string, fields?: LogFields) => {
    if (logger.isLevelEnabled(name)) logger[name](redacted(fields ?? {}) as object, redacted(message) as string)
  }
  return {
    debug: writer('debug'),
    info: writer('info'),
    warn: writer('warn'),
    error: writer('error'),
    isDebug: level === 'debug',
    flush: () => stdout?.flushSync(),
  }
}

/** For callers that want no log. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {}, isDebug: false }
