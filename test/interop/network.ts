import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from './program.ts'

/**
 * A loopback network of its own for this process (127.x.y.0/24, drawn from the process id), so that test files that run at
 * the same time can all use the well-known ports.
 */
export function host(number: number): string {
  return `127.${16 + ((process.pid >> 8) % 200)}.${process.pid & 255}.${number}`
}

let addresses = 20

/** An address of this network that nobody has had. */
export function nextAddress(): string {
  addresses += 1
  return host(addresses)
}

/** Resolves when something listens there: the programs we meet do not say so themselves. */
export async function listening(transport: 'udp' | 'tcp', address: string, port: number): Promise<void> {
  const wanted = kernelAddress(address, port)
  await eventually(`${transport}:${address}:${port} to listen`, () => isBound(transport, wanted) || undefined)
}

/** The kernel's notation: octets of the address in host order, upper-case hexadecimal. */
function kernelAddress(address: string, port: number): string {
  const hex = (value: number, digits: number) => value.toString(16).toUpperCase().padStart(digits, '0')
  const octets = address.split('.').map((octet) => hex(Number(octet), 2))
  return `${octets.reverse().join('')}:${hex(port, 4)}`
}

function isBound(transport: 'udp' | 'tcp', wanted: string): boolean {
  const listenState = transport === 'udp' ? '07' : '0A'
  return readFileSync(`/proc/net/${transport}`, 'latin1')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .some((fields) => fields[1] === wanted && fields[3] === listenState)
}

/** A directory that is removed when the process ends. */
export function temporaryDirectory(name: string): string {
  const path = mkdtempSync(join(tmpdir(), `rouse-${name}-`))
  temporary.push(path)
  return path
}

const temporary: string[] = []
process.on('exit', () => {
  for (const path of temporary) rmSync(path, { recursive: true, force: true })
})
