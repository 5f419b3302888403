import { createHash } from 'node:crypto'

/**
 * What a session is called. Whoever takes part in a call knows its Call-ID and tags, and may write into them what he likes, while an
 * rtpengine writes them into JSON as they are: only letters, digits and a few signs go there.
 */
export interface SessionName {
  /** Which rtpengine has it, see `engineKey`. */
  engine: string
  /** Of the branch: nobody can guess it. */
  branch: string
  /** The INVITE had no offer: the first 2xx, or reliable 1xx, has it. */
  isDelayed: boolean
}

const PARAM = /^([0-9a-f]{8})([0-9a-f]{24})(d?)$/

/** The parameter of our Record-Route: requests of the dialog bring it back, whoever gets them. */
export function writeParam({ engine, branch, isDelayed }: SessionName): string {
  return `${engine}${branch}${isDelayed ? 'd' : ''}`
}

export function readParam(param: string): SessionName | undefined {
  const [, engine, branch, delayed] = PARAM.exec(param) ?? []
  return engine === undefined ? undefined : { engine, branch: branch!, isDelayed: delayed === 'd' }
}

/** Names an rtpengine by where it is, for as long as it is there. */
export function engineKey(address: string): string {
  return digest(address).slice(0, 8)
}

export function branchKey(branch: string): string {
  return digest(branch).slice(0, 24)
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** The call-id of the ng protocol: one for each branch, so that each is let go of by itself. */
export function ngCallId({ branch }: SessionName, callId: string): string {
  return `${branch};${plain(callId)}`
}

/** The Call-ID in a call-id of the ng protocol; undefined when it is none of ours. */
export function sipCallId(ngCallId: string): string | undefined {
  const [, plainCallId] = /^[0-9a-f]{24};([A-Za-z0-9@._~*%-]+)$/.exec(ngCallId) ?? []
  return plainCallId?.replaceAll(/%([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

/** @param text latin1 */
export function plain(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9@._~*-]/g, (sign) => `%${hex(sign.charCodeAt(0) & 0xff)}`)
}

function hex(code: number): string {
  return code.toString(16).toUpperCase().padStart(2, '0')
}
