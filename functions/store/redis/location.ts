import type { IdSource } from '../../contract/clock.ts'
import type { RouseEvent } from '../../contract/events.ts'
import { byPreference, contactAttributes, eventsOf, type Happened, happenedTo } from '../apply-register.ts'
import type { Binding, Location, RegisterChange, RegisterOutcome, Whereabouts } from '../store.ts'
import { everyBinding, whereabouts } from '../whereabouts.ts'
import type { Call, Commands, Run } from './commands.ts'
import type { RedisEvents } from './events.ts'
import { type Keys, PARTS, partOf, rootOf, SUFFIX } from './keys.ts'
import { AMEND, COUNT_DUE, EXPIRE, LOOKUP, PAGE, REFRESH_DUE, REGISTER } from './location-scripts.ts'
import { REGISTER_AND_PUBLISH } from './register-script.ts'

type Registered = [
  what: 'ok' | 'order' | 'too many contacts',
  bindings: string,
  removed: string,
  flags: number[],
  matches?: string[][],
  at?: string,
]

/** The location service in Redis. A look-up and a REGISTER are one script each, and so one round trip. */
export class RedisLocation {
  readonly #commands: Commands
  readonly #keys: Keys
  readonly #ids: IdSource
  readonly #events: RedisEvents
  readonly #skewMicroseconds: number

  constructor(commands: Commands, keys: Keys, events: RedisEvents, ids: IdSource, skewMs: number) {
    this.#events = events
    this.#commands = commands
    this.#keys = keys
    this.#ids = ids
    this.#skewMicroseconds = skewMs * 1000
  }

  lookup(aor: string, now: number): Promise<Location> {
    const key = this.#keys.location(partOf(aor)) + SUFFIX.aor + aor
    return this.#commands.operation('lookup', async (run) => {
      const [reply] = await run([{ script: LOOKUP, key, args: [this.#skewMicroseconds] }])
      const [lines, at] = reply as [string, string]
      return { ...liveOf(lines, now), at }
    })
  }

  /** The event of a single binding is recorded, and finds who waits for it, in the same round trip; `publish` then only has to deliver it. */
  register(change: RegisterChange): Promise<RegisterOutcome> {
    const key = this.#keys.location(partOf(change.aor))
    const expected = change.put.length === 1 && !this.#commands.isCluster ? this.#expected(change) : undefined
    return this.#commands.operation('register', async (run) => {
      const [reply] = await run([this.#registerCall(key, change, expected)])
      const [what, lines, removed, flags, matches, at] = reply as Registered
      const after = liveOf(lines, change.now)
      if (what !== 'ok') return { ok: false, why: what, ...after }
      const isRefresh = flags.map((flag) => flag === 1)
      if (expected && matches) {
        const event = isRefresh[0] ? expected.refreshed : expected.new
        this.#events.isRecorded(event, { entries: matches[0]!, location: { ...after, at: at! } })
        return { ok: true, ...after, events: [event] }
      }
      const happened = happenedTo(read(removed).sort(byPreference), change.put, isRefresh, change.now)
      return { ok: true, ...after, events: eventsOf(happened, change, this.#ids) }
    })
  }

  /** The event of a change that puts one binding and removes none, whichever of the two it turns out to be. */
  #expected({ put, now, event }: RegisterChange): { new: RouseEvent; refreshed: RouseEvent } {
    const id = event ?? this.#ids.next('event')
    const [isNew, isRefresh] = [false, true].map((refreshed) => ({
      id,
      time: now,
      ...happenedTo([], put, [refreshed], now)[0]!,
    }))
    return { new: isNew!, refreshed: isRefresh! }
  }

  #registerCall(
    key: string,
    change: RegisterChange,
    expected: { new: RouseEvent; refreshed: RouseEvent } | undefined,
  ): Call {
    const register = registerArguments(change)
    if (!expected) return { script: REGISTER, key, args: register }
    const whenNew = this.#events.publishArguments([expected.new], change.now)
    const whenThere = this.#events.publishArguments([expected.refreshed], change.now)
    const args = [this.#keys.events(rootOf(expected.new.type)), register.length, ...register, whenNew.length]
    return { script: REGISTER_AND_PUBLISH, key, args: [...args, ...whenNew, ...whenThere] }
  }

  amend(known: Binding, amended: Binding, now: number): Promise<boolean> {
    const key = this.#keys.location(partOf(known.aor))
    const args = [known.aor, now, JSON.stringify(known), JSON.stringify(amended)]
    return this.#commands.operation('amend', async (run) => {
      const [reply] = await run([{ script: AMEND, key, args }])
      return reply === 1
    })
  }

  /** Looks where something is due, then takes it out there, each part in a step of its own. */
  expire(now: number, limit: number): Promise<RouseEvent[]> {
    return this.#commands.operation('expire', async (run) => {
      const due = await this.#due(run, SUFFIX.expiry, now, limit)
      const calls = due.map(({ part, count }) => {
        return { script: EXPIRE, key: this.#keys.location(part), args: [now, count] }
      })
      const taken = (await run(calls)) as string[][]
      const bindings = taken
        .flat()
        .map((line) => JSON.parse(line) as Binding)
        .filter(({ asleep }) => !asleep)
      return bindings.map((one) => this.#event({ type: 'contact.expired', attributes: contactAttributes(one) }, now))
    })
  }

  refreshDue(now: number, limit: number): Promise<Binding[]> {
    return this.#commands.operation('refreshDue', async (run) => {
      const due = await this.#due(run, SUFFIX.refresh, now, limit)
      const calls = due.map(({ part, count }) => {
        return { script: REFRESH_DUE, key: this.#keys.location(part), args: [now, count] }
      })
      const found = (await run(calls)) as string[][]
      return found.flat().map((line) => JSON.parse(line) as Binding)
    })
  }

  /**
   * Goes through the parts, in each through the AORs in alphabetical order: `cursor` is where the last page ended. Reads one part, and
   * more and more at once as long as little is found.
   */
  registrations(cursor: string, limit: number, now: number): Promise<{ bindings: Binding[]; cursor: string }> {
    return this.#commands.operation('registrations', async (run) => {
      const bindings: Binding[] = []
      let { part, aor } = readCursor(cursor)
      for (let width = 1; part < PARTS; width *= 2) {
        const parts = Array.from({ length: Math.min(width, PARTS - part) }, (_, index) => part + index)
        for (const names of await this.#pages(run, parts, aor, limit)) {
          for (const [name, lines] of names) {
            bindings.push(...everyBinding(liveOf(lines, now)))
            if (bindings.length >= limit) return { bindings, cursor: `${part}:${name}` }
          }
          // A full answer may have left AORs of this part out.
          aor = names.length >= limit ? names.at(-1)![0] : ''
          if (aor !== '') break
          part++
        }
      }
      return { bindings, cursor: '' }
    })
  }

  /** In which parts an index says that something is due: asked every second, and by one command where that can be. */
  async #due(run: Run, suffix: string, now: number, limit: number): Promise<{ part: number; count: number }[]> {
    const keys = Array.from({ length: PARTS }, (_, part) => this.#keys.location(part) + suffix)
    const found = this.#commands.isCluster
      ? await run(keys.map((key) => (p) => p.zcount(key, '-inf', now)))
      : (await run([{ script: COUNT_DUE, key: keys[0]!, args: [now, ...keys] }]))[0]
    let left = limit
    return (found as number[]).flatMap((due, part) => {
      const count = Math.min(due, left)
      left -= count
      return count > 0 ? [{ part, count }] : []
    })
  }

  async #pages(run: Run, parts: number[], after: string, limit: number): Promise<[aor: string, lines: string][][]> {
    const calls = parts.map((part, index) => {
      return { script: PAGE, key: this.#keys.location(part), args: [index === 0 ? after : '', limit] }
    })
    const replies = (await run(calls)) as string[][]
    return replies.map((flat) => {
      return Array.from({ length: flat.length / 2 }, (_, index) => [flat[2 * index]!, flat[2 * index + 1]!])
    })
  }

  #event({ type, attributes }: Happened, time: number): RouseEvent {
    return { id: this.#ids.next('event'), type, time, attributes }
  }
}

function registerArguments({ aor, now, callId, cseq, maxContacts, remove, put }: RegisterChange): (string | number)[] {
  const removals =
    remove === '*' ? ['*'] : [remove.length, ...remove.flatMap((one) => [...named(one), one.keepUntil ?? ''])]
  const puts = put.flatMap((binding) => [...named(binding), JSON.stringify(binding)])
  return [aor, now, callId, cseq, maxContacts, ...removals, ...puts]
}

function named({ contact, device, instance }: { contact: string; device: string; instance?: string }): string[] {
  return [contact, device, instance === undefined ? '' : `i${instance}`]
}

function liveOf(lines: string, now: number): Whereabouts {
  return whereabouts(read(lines).sort(byPreference), now)
}

function read(lines: string): Binding[] {
  return lines === '' ? [] : lines.split('\n').map((line) => JSON.parse(line))
}

function readCursor(cursor: string): { part: number; aor: string } {
  const colon = cursor.indexOf(':')
  if (colon < 0) return { part: cursor === '' ? 0 : PARTS, aor: '' }
  const part = Number(cursor.slice(0, colon))
  return Number.isInteger(part) && part >= 0 ? { part, aor: cursor.slice(colon + 1) } : { part: PARTS, aor: '' }
}
