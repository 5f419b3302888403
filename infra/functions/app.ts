import { storeFromEnv } from 'rouse/store'
import { createApp } from '../../functions/examples/app.ts'

/** What the deployments here serve until you put routes of your own in its place: the default app, for nobody but your gateways. */

const secret = process.env.WEBHOOK_SECRET
if (!secret)
  throw new Error(
    'WEBHOOK_SECRET: expected the secret of the gateways, since anybody may reach this function; got nothing',
  )

export default createApp({ router: { secret, store: storeFromEnv } })
