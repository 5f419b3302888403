import * as z from 'zod/mini'
import { ChargeFacts } from './charging.ts'

/** What CGRateS is asked, in the shape of its versions 0.10 and 0.11: flags, and the event beside them. */

/** A call that was answered: all that is told of it later. */
export const BilledCall = z.extend(ChargeFacts, {
  tenant: z.string(),
  answeredAt: z.number(),
})
export type BilledCall = z.infer<typeof BilledCall>

export interface Request {
  method: string
  param: object
}

interface Told {
  facts: Omit<ChargeFacts, 'tenant'> & { tenant: string; answeredAt?: number }
  /** Tells this request from others about the same call: the same again is the same request. */
  step: string
  usageMs?: number
}

export function authorizeRequest(facts: Told['facts']): Request {
  return {
    method: 'SessionSv1.AuthorizeEvent',
    param: { GetMaxUsage: true, ...event({ facts, step: 'authorize' }) },
  }
}

/** @param usageMs what is debited first, of a prepaid account */
export function initiateRequest(facts: BilledCall, usageMs: number): Request {
  return {
    method: 'SessionSv1.InitiateSession',
    param: { InitSession: true, ...event({ facts, step: 'initiate', usageMs }) },
  }
}

/** @param usageMs what is debited next, beyond all that was before */
export function updateRequest(facts: BilledCall, count: number, usageMs: number): Request {
  return {
    method: 'SessionSv1.UpdateSession',
    param: { UpdateSession: true, ...event({ facts, step: `update-${count}`, usageMs }) },
  }
}

/** @param usageMs of the whole call: what was debited beyond it is given back */
export function terminateRequest(facts: BilledCall, usageMs: number): Request {
  return {
    method: 'SessionSv1.TerminateSession',
    param: { TerminateSession: true, ...event({ facts, step: 'terminate', usageMs }) },
  }
}

export function cdrRequest(facts: BilledCall, usageMs: number): Request {
  return { method: 'SessionSv1.ProcessCDR', param: event({ facts, step: 'cdr', usageMs }) }
}

/** Whether it has a session of that call. */
export function activeRequest({ id, tenant }: BilledCall): Request {
  return {
    method: 'SessionSv1.GetActiveSessions',
    param: { Tenant: tenant, Limit: 1, Filters: [`*string:~*req.OriginID:${id}`] },
  }
}

function event({ facts, step, usageMs }: Told): object {
  const { id, callId, tenant, account, subject, destination, category, requestType, fields } = facts
  const { originHost, setupAt, answeredAt } = facts
  return {
    Tenant: tenant,
    ID: `${id}-${step}`,
    Event: {
      ...fields,
      ToR: '*voice',
      OriginID: id,
      OriginHost: originHost,
      Source: 'rouse',
      CallID: callId,
      RequestType: `*${requestType}`,
      Category: category,
      Account: account,
      Subject: subject,
      Destination: destination,
      SetupTime: rfc3339(setupAt),
      ...(answeredAt === undefined ? {} : { AnswerTime: rfc3339(answeredAt) }),
      ...(usageMs === undefined ? {} : { Usage: `${usageMs}ms` }),
    },
  }
}

function rfc3339(ms: number): string {
  return new Date(ms).toISOString()
}
