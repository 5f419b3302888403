import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { wishOf } from '../../../gateway/outbox/subscription.ts'

const ROOT = new URL('../../../', import.meta.url)

test('the subscriptions that READMEs show can be made', () => {
  for (const readme of ['README.md', 'gateway/outbox/README.md']) {
    const text = readFileSync(new URL(readme, ROOT), 'utf8')
    const [, body] =
      /curl localhost:8080\/subscriptions [^']*'content-type: application\/json' \\\n {2}-d '([^']+)'/.exec(text) ?? []
    assert.ok(body, readme)
    const wish = wishOf(JSON.parse(body), 0)
    assert.ok(wish.ok, JSON.stringify(wish))
  }
})
