import { describe } from 'node:test'
import { eventConformance } from './events.ts'
import { leaseConformance } from './leases.ts'
import { locationConformance } from './location.ts'
import type { CreateSubject } from './subject.ts'
import { suspensionConformance } from './suspension.ts'

/**
 * What every store must do, whichever way it keeps things. `create` gives a fresh, empty store; nothing here relies on an effect being
 * there before its promise has settled, and time passes only through the subject.
 */
export function storeConformance(name: string, create: CreateSubject): void {
  describe(`${name}: location`, () => locationConformance(create))
  describe(`${name}: events and subscriptions`, () => eventConformance(create))
  describe(`${name}: suspended transactions and claims`, () => suspensionConformance(create))
  describe(`${name}: leases`, () => leaseConformance(create))
}
