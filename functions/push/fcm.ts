import type { PushMessage, PushResult } from '../contract/push.ts'
import { type Deadline, withinDeadline } from './deadline.ts'
import { fcmResult } from './fcm-answer.ts'
import { fcmMessage, fcmTrouble } from './fcm-message.ts'
import { accessToken, type ServiceAccount } from './google-account.ts'
import { failed } from './outcome.ts'
import type { PushProvider } from './provider.ts'
import type { Renewed } from './renewed.ts'

export interface FcmOptions extends Deadline {
  /** At least one. `pn-param` says which project a phone belongs to (RFC 8599 8); with a single account it is that. */
  accounts: readonly ServiceAccount[]
  /** Default `https://fcm.googleapis.com`. */
  endpoint?: string | undefined
  /** Default the platform's. */
  fetch?: typeof fetch | undefined
}

export const FCM_ENDPOINT = 'https://fcm.googleapis.com'

interface Project {
  url: string
  token: Renewed
}

/** Firebase Cloud Messaging, HTTP v1: data messages, to Android and whatever else the project has. */
export function fcmProvider(options: FcmOptions): PushProvider {
  const { accounts, endpoint = FCM_ENDPOINT, clock } = options
  const ask = options.fetch ?? fetch
  const projects = new Map<string, Project>(
    accounts.map((account) => [
      account.project_id,
      {
        url: `${endpoint.replace(/\/$/, '')}/v1/projects/${encodeURIComponent(account.project_id)}/messages:send`,
        token: accessToken(account, { clock, fetch: ask }),
      },
    ]),
  )
  return {
    async send(message) {
      const project = projectOf(message, projects)
      if (!project) return failed(`no service account for the project in pn-param; there is one for ${names(projects)}`)
      const trouble = fcmTrouble(message)
      if (trouble) return trouble
      const body = JSON.stringify({ message: { token: message.prid, ...(await fcmMessage(message)) } })
      return withinDeadline(options, 'FCM', (signal) => post(project, body, signal))
    },
  }

  async function post({ url, token }: Project, body: string, signal: AbortSignal): Promise<PushResult> {
    const held = await token.get()
    const first = await once(url, held, body, signal)
    if (first !== 'unauthenticated') return first
    const second = await once(url, await token.get(held), body, signal)
    return second === 'unauthenticated' ? failed('FCM does not take the access token of the service account') : second
  }

  async function once(url: string, token: string, body: string, signal: AbortSignal) {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const response = await ask(url, { method: 'POST', redirect: 'manual', headers, body, signal })
    return fcmResult(response, await response.text(), clock.now())
  }
}

function projectOf({ param }: PushMessage, projects: ReadonlyMap<string, Project>): Project | undefined {
  return projects.get(param) ?? (projects.size === 1 ? projects.values().next().value : undefined)
}

function names(projects: ReadonlyMap<string, Project>): string {
  return [...projects.keys()].join(', ')
}
