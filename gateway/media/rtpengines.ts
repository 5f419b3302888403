import { reasonOf } from '../../functions/contract/reason.ts'
import type { Integration, IntegrationParts } from '../integration/integration.ts'
import type { Watcher } from '../observe/watcher.ts'
import { type DigitReport, readReport } from './dtmf-report.ts'
import { Engine } from './engine.ts'
import type { Ear, OpenEar, OpenLink } from './link.ts'
import { MediaRelay } from './relay.ts'
import type { MediaSettings } from './settings.ts'
import type { Media } from './types.ts'

export interface Sockets {
  openLink: OpenLink
  openEar: OpenEar
}

export interface RtpenginesParts extends IntegrationParts {
  /** See the digits that are raised. */
  watchers: readonly Watcher[]
  /** Another process goes on with calls that ring when this one ends. */
  callsOutlive: boolean
}

/** The rtpengines of one gateway: whether they are there, what they hear of digits, and the media that they relay. */
export class Rtpengines implements Integration {
  readonly name = 'rtpengine'
  readonly media: Media
  readonly #relay: MediaRelay
  readonly #settings: MediaSettings
  readonly #parts: RtpenginesParts
  readonly #sockets: Sockets
  readonly #engines: readonly Engine[]
  #ear: Ear | undefined

  constructor(settings: MediaSettings, parts: RtpenginesParts, sockets: Sockets) {
    const { clock, ids, counters, log, callsOutlive } = parts
    const { openLink } = sockets
    const { timeoutMs, pingMs } = settings
    this.#settings = settings
    this.#parts = parts
    this.#sockets = sockets
    this.#engines = settings.engines.map(
      (at) => new Engine(at, { clock, ids, counters, log, openLink, timeoutMs, pingMs }),
    )
    const onBug = (error: unknown) => {
      counters.count('bugs')
      log.error('a response could not be handled', { error: error instanceof Error ? error.stack : String(error) })
    }
    this.#relay = new MediaRelay(this.#engines, { callsOutlive, onBug })
    this.media = this.#relay
  }

  async start(): Promise<void> {
    const { dtmf } = this.#settings
    if (dtmf) this.#ear = await this.#listen(dtmf)
    for (const engine of this.#engines) engine.start()
  }

  async #listen({ host, port }: { host: string; port: number }): Promise<Ear> {
    try {
      return await this.#sockets.openEar(host, port, (datagram, from) => this.#hear(datagram, from))
    } catch (error) {
      const why = reasonOf(error)
      throw new Error(`RTPENGINE_DTMF_LISTEN: cannot listen on ${host} port ${port} (${why}); choose another one`)
    }
  }

  /** Anybody can send datagrams: only those of our rtpengines count. */
  #hear(datagram: string, from: string): void {
    const { counters } = this.#parts
    if (!this.#engines.some(({ address }) => address === from))
      return counters.count('dtmf_reports{outcome="stranger"}')
    const report = readReport(datagram)
    if (!report) return counters.count('dtmf_reports{outcome="unreadable"}')
    counters.count('dtmf_reports{outcome="raised"}')
    this.#raise(report)
  }

  /** Whichever gateway has the call hears of it. */
  #raise({ callId, digit, durationMs }: DigitReport): void {
    const { clock, ids, store, watchers, log } = this.#parts
    const attributes = { callId, digit, duration: durationMs, source: 'rtp' }
    const events = [{ id: ids.next('event'), type: 'dtmf', time: clock.now(), attributes }]
    for (const watcher of watchers) watcher.events(events)
    store
      .publish(events)
      .catch((error: unknown) => log.error('a digit could not be published', { callId, error: String(error) }))
  }

  get health(): { isUp: boolean; text: string } {
    const up = this.#engines.filter(({ isUp }) => isUp).length
    const away = this.#engines.filter(({ isUp }) => !isUp).map(({ name, text }) => `${name} ${text}`)
    const all = this.#engines.length
    return { isUp: up > 0, text: away.length === 0 ? 'connected' : `${up} of ${all} connected; ${away.join('; ')}` }
  }

  async stop(): Promise<void> {
    this.#ear?.close()
    this.#relay.endRinging()
    await Promise.all(this.#engines.map((engine) => engine.stop()))
  }
}
