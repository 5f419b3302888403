import JsSIP from 'jssip'
import Timers from 'jssip/lib/Timers.js'
import { eventually } from './program.ts'

/** For half a minute after the last call its transactions would keep the process. */
Object.assign(Timers, { TIMER_L: 1000, TIMER_M: 1000, TIMER_B: 10_000, TIMER_F: 10_000, TIMER_H: 10_000 })

/**
 * JsSIP as web pages use it, over the WebSocket of Node, with a peer connection that offers what phones take, and has no media: SIP is what it
 * is here for.
 */

const SDP =
  'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n'

class SilentPeerConnection extends EventTarget {
  readonly iceGatheringState = 'complete'
  readonly iceConnectionState = 'connected'
  readonly connectionState = 'connected'
  signalingState = 'stable'
  localDescription: { type: string; sdp: string } | undefined
  remoteDescription: { type: string; sdp: string } | undefined
  addTrack(): void {}
  getSenders(): [] {
    return []
  }
  getReceivers(): [] {
    return []
  }
  async createOffer() {
    return { type: 'offer', sdp: SDP }
  }
  async createAnswer() {
    return { type: 'answer', sdp: SDP }
  }
  async setLocalDescription(description: { type: string; sdp: string }): Promise<void> {
    this.localDescription = description
    this.signalingState = description.type === 'offer' ? 'have-local-offer' : 'stable'
  }
  async setRemoteDescription(description: { type: string; sdp: string }): Promise<void> {
    this.remoteDescription = description
    this.signalingState = description.type === 'offer' ? 'have-remote-offer' : 'stable'
  }
  close(): void {}
}
Object.assign(globalThis, {
  window: globalThis,
  RTCPeerConnection: SilentPeerConnection,
  RTCSessionDescription: class {
    constructor(description: object) {
      Object.assign(this, description)
    }
  },
})
const mediaStream = {
  getTracks: () => [],
  getAudioTracks: () => [],
  getVideoTracks: () => [],
} as never

// biome-ignore lint/suspicious/noExplicitAny: a session of a library without types for half of its events.
type Session = any

/** One user of a web page. */
export class WebPhone {
  readonly uri: string
  readonly texts: string[] = []
  /** What the 200 to its INVITE said of refreshing. */
  refreshes: string | undefined
  session: Session | undefined
  readonly #ua: JsSIP.UA

  private constructor(user: string, domain: string, url: string, hasTimers: boolean) {
    this.uri = `sip:${user}@${domain}`
    const sockets = [new JsSIP.WebSocketInterface(url)]
    this.#ua = new JsSIP.UA({ sockets, uri: this.uri, register: true, session_timers: hasTimers })
    this.#ua.on('newRTCSession', ({ session }: { session: Session }) => {
      this.session = session
      session.on('accepted', ({ originator, response }: Session) => {
        if (originator === 'remote') this.refreshes = response.getHeader('Session-Expires')
      })
    })
    this.#ua.on('newMessage', ({ originator, request }: Session) => {
      if (originator === 'remote') this.texts.push(request.body)
    })
  }

  /** Starts it and returns once it is registered. */
  static async start(user: string, domain: string, url: string, hasTimers = false): Promise<WebPhone> {
    const phone = new WebPhone(user, domain, url, hasTimers)
    phone.#ua.start()
    await eventually(`${user} to register`, () => phone.#ua.isRegistered() || undefined)
    return phone
  }

  call(uri: string): void {
    this.#ua.call(uri, { mediaStream, mediaConstraints: { audio: true, video: false } })
  }

  async rings(): Promise<void> {
    await eventually(`${this.uri} to ring`, () => this.session?.isInProgress() || undefined)
  }

  async answers(): Promise<void> {
    this.session.answer({ mediaStream })
    await this.isEstablished()
  }

  async isEstablished(): Promise<void> {
    await eventually(`${this.uri} to be in a call`, () => this.session?.isEstablished() || undefined)
  }

  hangsUp(): void {
    this.session.terminate()
  }

  async isFree(): Promise<void> {
    await eventually(`the call of ${this.uri} to end`, () => this.session?.isEnded() || undefined)
  }

  /** Settled once it has lost its connection, made another one and registered over that. */
  async registersAnew(): Promise<void> {
    await eventually(`${this.uri} to lose its connection`, () => !this.#ua.isConnected() || undefined)
    await eventually(`${this.uri} to register anew`, () => this.#ua.isRegistered() || undefined)
  }

  writes(uri: string, text: string): void {
    this.#ua.sendMessage(uri, text)
  }

  async stop(): Promise<void> {
    this.#ua.stop()
    await eventually(`${this.uri} to go`, () => !this.#ua.isConnected() || undefined)
  }
}
