import { type GatewayOptions, startGateway } from './gateway.ts'
import type { Router } from './router.ts'

type Place = Pick<GatewayOptions, 'sipPort' | 'httpPort'>

/** Two gateways with one Redis: calls go to the first, phones register at the second. */
export async function startGatewayPair(
  common: Pick<GatewayOptions, 'functions' | 'profile'> & { redisUrl: string },
  [first, second]: [Place, Place],
): Promise<Router> {
  const a = await startGateway({ ...common, ...first, id: 'bench-a' })
  const b = await startGateway({ ...common, ...second, id: 'bench-b' }).catch(async (error: unknown) => {
    await a.stop()
    throw error
  })
  return {
    ...{ name: 'two of rouse with Redis', sip: a.sip, registrar: b.sip, http: a.http },
    cpuUs: () => a.cpuUs() + b.cpuUs(),
    memoryBytes: () => a.memoryBytes() + b.memoryBytes(),
    ended: () => a.ended() ?? b.ended(),
    stop: async () => void (await Promise.all([a.stop(), b.stop()])),
  }
}
