import { SipRouter } from 'rouse'

const sip = new SipRouter<{ env: { REGION: string } }>()
sip.invite('/:domain/:user', (call) => call.annotate({ region: call.env.REGION }))
sip.message('/:domain/:user', async (call) => {
  process.kill(process.pid, 'SIGTERM')
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  call.reply(202)
})
sip.on('late-fork', (call, event) => call.fork(event.contact))
export default sip
