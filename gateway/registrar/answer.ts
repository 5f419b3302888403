import type { RouseEvent } from '../../functions/contract/events.ts'
import type { Binding, RegisterOutcome } from '../../functions/store/store.ts'
import type { Planned, RegisterPlan } from './plan.ts'

/** How a REGISTER is answered, and what has happened: send the response first, then publish the events. */
export interface RegisterAnswer {
  status: number
  reason: string
  /** Besides those that every response has. */
  headers: [string, string][]
  events: RouseEvent[]
}

/** The answer to a REGISTER that was refused as it came. */
export function refusal(planned: Extract<Planned, { refuse: unknown }>): RegisterAnswer {
  return { ...planned.refuse, events: [] }
}

/** The answer to a REGISTER that the store has decided on. */
export function answer(plan: RegisterPlan, outcome: RegisterOutcome): RegisterAnswer {
  if (outcome.ok)
    return { status: 200, reason: 'OK', headers: okHeaders(plan, outcome.bindings), events: outcome.events }
  if (outcome.why === 'order') return { status: 500, reason: 'CSeq Out Of Order', headers: [], events: [] }
  return { status: 403, reason: 'Too Many Contacts', headers: [], events: [] }
}

/** 10.3 step 8: every current binding with what is left of its time. */
function okHeaders(plan: RegisterPlan, bindings: Binding[]): [string, string][] {
  const { now } = plan.change
  const headers: [string, string][] = bindings.map((binding) => ['Contact', contactValue(binding, plan, now)])
  for (const value of plan.path) headers.push(['Path', value])
  for (const value of plan.featureCaps) headers.push(['Feature-Caps', value])
  headers.push(['Date', new Date(now).toUTCString()])
  return headers
}

/** The sender's own contact exactly as it wrote it, by which it finds itself; the others without their push tokens. */
function contactValue(binding: Binding, plan: RegisterPlan, now: number): string {
  const uri = plan.written.get(binding.device) ?? binding.contact
  const q = binding.q === 1 ? '' : `;q=${binding.q}`
  const expires = Math.max(1, Math.floor((binding.expiresAt - now) / 1000))
  return `<${uri}>${q};expires=${expires}${binding.parameters}`
}
