import type { Invocation, InvocationData, InvocationType } from '../../functions/contract/envelope.ts'

/** The CloudEvent around an invocation's data (CloudEvents 1.0, structured mode). */
export function envelope(parts: {
  id: string
  type: InvocationType
  gatewayId: string
  callId: string
  now: number
  data: InvocationData
}): Invocation {
  return {
    specversion: '1.0',
    id: parts.id,
    source: `/gateways/${encodeURIComponent(parts.gatewayId)}`,
    type: parts.type,
    subject: parts.callId,
    time: new Date(parts.now).toISOString(),
    datacontenttype: 'application/json',
    data: parts.data,
  }
}
