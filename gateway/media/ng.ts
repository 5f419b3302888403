import { bencode, type Dictionary, readDictionary } from './bencode.ts'

/** One datagram of the ng protocol: a cookie by which the answer is known, a blank, a dictionary. Texts are octets as latin1. */

/** What an rtpengine is asked. `command` comes first, as everybody writes it. */
export type Command = { command: 'ping' | 'offer' | 'answer' | 'delete' | 'query' } & Dictionary

/** What came of a command. */
export type Outcome =
  | { kind: 'done'; answer: Dictionary }
  /** The rtpengine does not want to: `reason` as it says it, one line. */
  | { kind: 'refused'; reason: string }
  /** Nothing was heard of it. */
  | { kind: 'away' }

export function writeCommand(cookie: string, command: Command): string {
  return `${cookie} ${bencode(command)}`
}

/** @returns undefined for what is no answer to anything */
export function readAnswer(datagram: string): { cookie: string; outcome: Outcome } | undefined {
  const blank = datagram.indexOf(' ')
  const answer = blank > 0 && blank <= 64 ? readDictionary(datagram.slice(blank + 1)) : undefined
  if (!answer) return undefined
  return { cookie: datagram.slice(0, blank), outcome: outcomeOf(answer) }
}

function outcomeOf(answer: Dictionary): Outcome {
  const { result } = answer
  if (result === 'ok' || result === 'pong') return { kind: 'done', answer }
  const reason = answer['error-reason'] ?? result
  return { kind: 'refused', reason: plainLine(typeof reason === 'string' ? reason : 'no result') }
}

/** For logs: without control characters, and not too long. */
function plainLine(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u00ff]/g, ' ').slice(0, 200)
}
