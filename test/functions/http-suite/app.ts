import { SipRouter } from '../../../functions/sdk/index.ts'
import { storeFromEnv } from '../../../functions/sdk/store.ts'

/** What a developer's app has beside plain routes: settings of the environment, the store, HTTP routes of its own. */
export interface HttpEnv {
  REGION: string
}

export function httpApp(basePath: string, secret: string): SipRouter<{ env: HttpEnv }> {
  const sip = new SipRouter<{ env: HttpEnv }>({ basePath, secret, store: storeFromEnv, onError: () => {} })
  sip.invite('/:domain/region', (call) => call.annotate({ region: call.env.REGION }))
  sip.invite('/:domain/hangs', async (call) => {
    await new Promise((resolve) => call.signal?.addEventListener('abort', resolve))
    call.reply(480)
  })
  sip.invite('/:domain/:user{size-.+}', (call) => call.annotate({ octets: call.body.length }))
  sip.invite('/:domain/keeps', (call) => {
    call.context.kept = 'x'.repeat(900_000)
  })
  sip.invite('/:domain/:user{for-.+}', async (call) => {
    call.fork(await call.lookup(`sip:${call.user.slice('for-'.length)}@${call.domain}`))
  })
  sip.invite('/:domain/:user', async (call) => {
    const paid = await call.wait('payment.confirmed', { order: call.user }, '30s')
    call.reply(paid ? 200 : 480)
  })
  const { http } = sip
  http.post(`${basePath}/octets`, async (c) => {
    const octets = new Uint8Array(await c.req.arrayBuffer())
    return c.body(octets.reverse(), 200, { 'content-type': 'application/octet-stream' })
  })
  http.get(`${basePath}/headers`, (c) => {
    c.header('set-cookie', 'one=1; Path=/', { append: true })
    c.header('set-cookie', 'two=2; Path=/', { append: true })
    const { cookie, 'x-more': more } = c.req.header()
    return c.json({ cookie, more, queries: c.req.queries('q') })
  })
  http.post(`${basePath}/payments`, async (c) => {
    const { id, order } = await c.req.json()
    const store = storeFromEnv(c.env)
    if (!store) return c.text('no store', 500)
    return c.json({ matched: (await store.publish('payment.confirmed', { order }, { id })).matched })
  })
  return sip
}
