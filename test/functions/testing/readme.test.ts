import { test } from 'node:test'
import { readmeExample } from '../../support/readme-example.ts'

const KIT = 'functions/testing/README.md'
type Example = Record<string, () => Promise<void>>

for (const story of ['thePhoneWakes', 'nobodyComes']) {
  test(`the example of ${KIT}: ${story}`, async () => {
    const example = (await readmeExample(KIT, 'testing')) as Example
    await example[story]!()
  })
}

test('the test of the top README', async () => {
  const example = (await readmeExample('README.md', 'testing')) as Example
  await example.phoneJoins!()
})
