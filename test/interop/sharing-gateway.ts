import { Gateway } from './gateway.ts'
import { host } from './network.ts'

/** The address that callers and phones of a pool know; what is sent there goes to whichever gateway the test says. */
const SHARED = host(9)

/** One of several gateways of one Redis: `gw-1` at the first address, and so on. */
export function sharingGateway(number: number, redisUrl: string, env: Record<string, string> = {}): Promise<Gateway> {
  return Gateway.start({
    functions: 'test/interop/restart-app.ts',
    address: host(number),
    env: { REDIS_URL: redisUrl, GATEWAY_ID: `gw-${number}`, ...env },
  })
}

/** One that is behind the shared address. */
export function pooledGateway(number: number, redisUrl: string, env: Record<string, string> = {}): Promise<Gateway> {
  return sharingGateway(number, redisUrl, { SIP_ADVERTISE: `${SHARED}:5060`, LOG_LEVEL: 'warn', ...env })
}

/** The first three of them, or none: one that is left would keep the tests from ending. */
export async function threeGateways(start: (number: number) => Promise<Gateway>): Promise<[Gateway, Gateway, Gateway]> {
  const started = await Promise.allSettled([1, 2, 3].map(start))
  const pool = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const failed = started.find((one) => one.status === 'rejected')
  if (!failed) return pool as [Gateway, Gateway, Gateway]
  await Promise.all(pool.map(({ program }) => program.stop()))
  throw failed.reason
}
