import { Hono } from 'hono'
import { createStore } from 'rouse/store'

/** What receives webhooks: it knows nothing of calls and gateways, only the REST API of their Redis. */
const { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token } = process.env
const store = createStore({ url, token })
const app = new Hono()
app.post('/payments', async (c) => {
  const { id, order } = await c.req.json()
  return c.json(await store.publish('payment.confirmed', { order }, { id }))
})
app.post('/pickups', async (c) => {
  const { id, ...attributes } = await c.req.json()
  return c.json(await store.publish('pickup', attributes, { id }))
})
export default app
