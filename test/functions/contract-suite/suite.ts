import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { byDispatch, Session } from '../session.ts'
import { type ContractCase, routerOf, type Subject, type Told } from './case.ts'
import { invoking, SECRET, type Send } from './reach.ts'
import { placeOf, ROOMS } from './rooms.ts'

/** How a case's app is reached. */
export type Reach = (contractCase: ContractCase) => Subject

export interface SuiteOptions {
  /** Why handlers cannot go on after their answer in this runtime; absent: they can. */
  endsWithAnswer?: string
}

/** The contract, for functions that are reached in some way. */
export function contractSuite(reach: Reach, { endsWithAnswer }: SuiteOptions = {}): void {
  for (const room of ROOMS) {
    describe(room.title, () => {
      for (const contractCase of room.cases) {
        const skip = (contractCase.outlivesAnswer && endsWithAnswer) ?? false
        test(contractCase.title, { skip }, async () => {
          const subject = reach(contractCase)
          const session = () => new Session(subject.invoke)
          await contractCase.check({ ...subject, s: session(), session }, assert)
        })
      }
    })
  }
}

/** In the process of the test, as a gateway does that has loaded the app. */
export const dispatched: Reach = (contractCase) => {
  const { sip, told } = routerOf(contractCase)
  return { invoke: byDispatch(sip), told: async () => structuredClone(told) }
}

/** In the process of the test, as HTTP requests. */
export const fetched: Reach = (contractCase) => {
  const { sip } = routerOf(contractCase, '', SECRET)
  return sentBy(async (path, init) => sip.fetch(new Request(`https://functions.test${path}`, init)))
}

/** Wherever `test/runtimes/apps/contract.ts` is served. */
export function servedAt(send: Send): Reach {
  return (contractCase) => sentBy((path, init) => send(placeOf(contractCase) + path, init))
}

function sentBy(send: Send): Subject {
  return { invoke: invoking(send), told: async () => (await (await send('/told')).json()) as Told }
}
