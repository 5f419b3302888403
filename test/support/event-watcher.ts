import type { RouseEvent } from '../../functions/contract/events.ts'
import type { Watcher } from '../../gateway/observe/watcher.ts'

/** Sees the events that gateways raise, as integrations do: batch by batch. */
export function eventWatcher(see: (events: readonly RouseEvent[]) => void): Watcher {
  return { events: (events) => see(events), invoked: () => {}, reacted: () => {} }
}

/** Sees the records of calls. */
export function recordWatcher(see: (record: RouseEvent) => void): Watcher {
  return eventWatcher((events) => {
    for (const event of events) if (event.type === 'cdr.created') see(event)
  })
}
