import { networkInterfaces } from 'node:os'
import { containerAddress } from './address.ts'

/** The gateway in a container, whose address nobody knows before it runs: it becomes `GATEWAY_ADDRESS` where that is not set. */

if (!process.env.GATEWAY_ADDRESS?.trim()) {
  const address = containerAddress(networkInterfaces())
  if (address !== undefined) process.env.GATEWAY_ADDRESS = address
}
await import('../../gateway/main.ts')
