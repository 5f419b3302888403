import type { Binding, Store } from '../../../functions/store/store.ts'
import { ALONE, type Peers } from '../../../gateway/cluster/peers.ts'
import { Dialog, type DialogOwner, type Party } from '../../../gateway/dialog/dialog.ts'
import { Reach } from '../../../gateway/dialog/reach.ts'
import type { Flow, Listener, TransportLayer } from '../../../gateway/transport/types.ts'

export const LISTENER: Listener = {
  ...{ transport: 'tcp', address: '10.0.0.1', port: 5060 },
  ...{ advertisedHost: '10.0.0.1', advertisedPort: 5060 },
}

export const LOCAL = { isLocalDomain: (host: string) => host === 'example.com' }

export function flow(connection: number): Flow {
  return { transport: 'tcp', remoteAddress: '10.0.0.9', remotePort: 40_000, listener: LISTENER, connection }
}

/** alice has called bob, who has answered; as a restart leaves it, unless it is said otherwise. */
export function dialog({
  from = 'sip:alice@example.com',
  contacts = ['<sip:alice@10.0.0.8;transport=tcp>', '<sip:bob@10.0.0.9:5060;transport=tcp>'],
  aor = 'sip:bob@example.com',
  callee = 'unknown',
}: {
  from?: string
  contacts?: [string, string]
  aor?: string
  callee?: Party['flow']
} = {}): Dialog {
  const common = `From: <${from}>;tag=a\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n`
  const via = 'Via: SIP/2.0/TCP 10.0.0.8:5060;branch=z9hG4bK1\r\n'
  return new Dialog({
    ...{ callId: '1', answeredAt: 0, aor, owner: {} as DialogOwner },
    caller: { tag: 'a', cseq: 1, flow: 'unknown', target: '' },
    callee: { tag: 'b', cseq: 0, flow: callee, target: '' },
    inviteText: `INVITE sip:bob@example.com SIP/2.0\r\n${via}${common}To: <sip:bob@example.com>\r\nContact: ${contacts[0]}\r\n\r\n`,
    answerText: `SIP/2.0 200 OK\r\n${via}${common}To: <sip:bob@example.com>;tag=b\r\nContact: ${contacts[1]}\r\n\r\n`,
  })
}

export function binding({
  received,
  ...more
}: Partial<Omit<Binding, 'received'>> & { received?: object } = {}): Binding {
  return {
    ...{ aor: 'sip:bob@example.com', contact: 'sip:bob@10.0.0.9:5060;transport=tcp', device: 'bob' },
    ...{ q: 1, expiresAt: 3_600_000, registeredAt: 0, callId: 'r', cseq: 1, path: [], parameters: '' },
    received: {
      ...{ transport: 'tcp' as const, address: '10.0.0.9', port: 40_000, listener: 'tcp:10.0.0.1:5060' },
      ...{ connection: 2, gateway: 'gw', nat: true, ...received },
    },
    ...more,
  }
}

/** @param alive the connections that are there */
export function reach({
  bindings = [binding()],
  alive = [2],
  lookup,
  peers = ALONE,
}: {
  bindings?: Binding[]
  alive?: number[]
  lookup?: (aor: string) => Promise<{ bindings: Binding[] }>
  peers?: Peers
} = {}): Reach {
  const found = async (aor: string) => ({ bindings: bindings.filter((each) => each.aor === aor) })
  const transport: Partial<TransportLayer> = {
    listeners: [LISTENER],
    isAlive: ({ connection }) => alive.includes(connection),
  }
  return new Reach({
    ...{ gateway: 'gw', identity: LOCAL, peers },
    store: { lookup: lookup ?? found } as unknown as Store,
    transport: transport as TransportLayer,
  })
}
