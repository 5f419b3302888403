import assert from 'node:assert/strict'
import { test } from 'node:test'
import { handlerPath, invocationPath } from '../../../functions/contract/path.ts'

test('a SIP request is an HTTP path that a URL keeps as it is', () => {
  for (const [user, path] of [
    ['bob', '/invite/example.com/bob'],
    ['a/b', '/invite/example.com/a%2Fb'],
    ['#7', '/invite/example.com/%237'],
    ['*97', '/invite/example.com/*97'],
    ['', '/invite/example.com/-'],
    ['.', '/invite/example.com/-'],
    ['..', '/invite/example.com/-'],
  ] as const) {
    assert.equal(invocationPath('INVITE', 'example.com', user), path)
    assert.equal(new URL(path, 'https://functions.test').pathname, path)
  }
  assert.equal(invocationPath('OPTIONS', '2001:db8::1', ''), '/options/2001%3Adb8%3A%3A1/-')
  assert.equal(handlerPath('late-fork'), '/on/late-fork')
})
