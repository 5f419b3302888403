import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FlowTokens } from '../../../gateway/cluster/flow-token.ts'

const FLOW = {
  transport: 'tcp' as const,
  address: '2001:db8::9',
  port: 49_152,
  listener: 'tcp:::1:5060',
  connection: 7,
}
const tokens = new FlowTokens('the secret of all gateways')

test('a flow comes back as it was written, by any gateway of the same secret', () => {
  assert.deepEqual(new FlowTokens('the secret of all gateways').read(tokens.write(FLOW)), FLOW)
})

test('a token can stand in the user part of a SIP URI as it is', () => {
  assert.match(tokens.write(FLOW), /^flow\.[A-Za-z0-9_-]+$/)
})

test('whatever is changed in a token, and whatever another secret has signed, is no flow', () => {
  const token = tokens.write(FLOW)
  for (let at = 0; at < token.length; at++) {
    const changed = token.slice(0, at) + (token[at] === 'B' ? 'C' : 'B') + token.slice(at + 1)
    assert.equal(tokens.read(changed), undefined)
  }
  for (const wrong of ['', 'flow.', 'bob', `${token}A`, token.slice(0, -4), new FlowTokens('another').write(FLOW)])
    assert.equal(tokens.read(wrong), undefined)
})
