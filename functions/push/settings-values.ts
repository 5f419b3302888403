import type { Read } from '../contract/settings.ts'
import type { ReadFile } from '../contract/settings-values.ts'
import { GOOGLE_TOKEN_URI, type ServiceAccount } from './google-account.ts'
import { isVoip, readApplicationArn, SNS_PLATFORMS, type SnsApplication } from './sns-application.ts'

/** `fcm=arn:…,apns=arn:…,apns.voip=arn:…`: what is named `.voip`, or a second time, is the VoIP application of that pn-provider. */
export function snsSetting(text: string): Read<ReadonlyMap<string, readonly SnsApplication[]>> {
  const applications = new Map<string, SnsApplication[]>()
  for (const part of list(text)) {
    const [, written = '', arn = ''] = /^([A-Za-z0-9.-]+)=(.*)$/.exec(part) ?? []
    const application = readApplicationArn(arn)
    if (!application) {
      const expected = `pn-provider=ARN of a platform application of ${SNS_PLATFORMS.join(', ')}`
      const remedy = 'write for example fcm=arn:aws:sns:eu-west-1:123456789012:app/GCM/phones'
      return { ok: false, expected, got: part, remedy }
    }
    const name = isVoip(application) ? written.replace(/\.voip$/, '') : written
    const others = applications.get(name) ?? []
    if (others.length > 0 && !goTogether([...others, application])) {
      const expected = 'one application for a pn-provider, or two of Apple of which one is for VoIP'
      return { ok: false, expected, got: part, remedy: `take out one of those for ${name}` }
    }
    applications.set(name, [...others, application])
  }
  return applications.size > 0
    ? { ok: true, value: applications }
    : { ok: false, expected: 'an application', remedy: 'write pn-provider=ARN, with a comma between several' }
}

function goTogether(applications: readonly SnsApplication[]): boolean {
  const isApples = applications.every(({ platform }) => platform.startsWith('APNS'))
  const isSandbox = applications.map(({ platform }) => platform.endsWith('_SANDBOX'))
  return (
    applications.length === 2 && isApples && applications.filter(isVoip).length === 1 && isSandbox[0] === isSandbox[1]
  )
}

const ACCOUNT_REMEDY =
  'make one in the Firebase console (project settings, service accounts, generate new private key) and set the JSON, or its path'

/** JSON of one account or of a list of them, the same in base64, or paths of such files with a comma between. */
export function serviceAccountsSetting(text: string, readFile: ReadFile | undefined): Read<ServiceAccount[]> {
  const wrong = (expected: string): Read<never> => ({ ok: false, expected, remedy: ACCOUNT_REMEDY, secret: true })
  const texts = isJson(text) ? [text] : (fromBase64(text, isJson) ?? list(text).map((path) => readFile?.(path)))
  const accounts: ServiceAccount[] = []
  for (const each of [texts].flat()) {
    const read = each === undefined ? undefined : parsed(each)
    if (read === undefined) return wrong(`the JSON of a service account${readFile ? ', or a file with it' : ''}`)
    for (const account of [read].flat()) {
      const checked = accountOf(account)
      if (!checked) return wrong('a service account with project_id, client_email and private_key')
      accounts.push(checked)
    }
  }
  return accounts.length > 0 ? { ok: true, value: accounts } : wrong('at least one service account')
}

function accountOf(value: unknown): ServiceAccount | undefined {
  const fields = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>
  const { project_id, client_email, private_key, private_key_id, token_uri = GOOGLE_TOKEN_URI } = fields
  if (typeof project_id !== 'string' || !/^[a-z0-9.:-]{1,128}$/.test(project_id)) return undefined
  if (typeof client_email !== 'string' || typeof private_key !== 'string' || !isPem(private_key)) return undefined
  if (typeof token_uri !== 'string' || !urlSetting()(token_uri).ok) return undefined
  return {
    project_id,
    client_email,
    private_key,
    token_uri,
    ...(typeof private_key_id === 'string' ? { private_key_id } : {}),
  }
}

/** A private key in PEM, its lines apart or with \n between, the same in base64, or the path of a file with it. */
export function keySetting(text: string, readFile: ReadFile | undefined): Read<string> {
  const found = isPem(text) ? text : (fromBase64(text, isPem) ?? readFile?.(text))
  const pem = found?.replaceAll('\\n', '\n')
  if (pem !== undefined && isPem(pem)) return { ok: true, value: pem }
  return {
    ok: false,
    expected: `a private key in PEM, or in base64${readFile ? ', or a file with it' : ''}`,
    remedy: 'take the .p8 file that Apple gives for a key with push notifications',
    secret: true,
  }
}

export function tenCharacters(whose: string) {
  return (text: string): Read<string> =>
    /^[A-Z0-9]{10}$/.test(text)
      ? { ok: true, value: text }
      : { ok: false, expected: 'ten letters and digits', remedy: `take the id of ${whose} from Apple's developer site` }
}

export function environmentSetting(text: string): Read<'production' | 'sandbox'> {
  if (text === 'production' || text === 'sandbox') return { ok: true, value: text }
  return { ok: false, expected: 'production or sandbox', remedy: 'sandbox is for apps that Xcode has installed' }
}

/** 65 or 32 octets in base64url. */
export function vapidKeySetting(which: 'public' | 'private') {
  const pattern = which === 'public' ? /^B[\w-]{86}$/ : /^[\w-]{43}$/
  return (text: string): Read<string> => {
    if (pattern.test(text)) return { ok: true, value: text }
    const expected = `a ${which} key of P-256 in base64url`
    const remedy = 'make both with: npx web-push generate-vapid-keys'
    return { ok: false, expected, remedy, secret: true }
  }
}

export function subjectSetting(text: string): Read<string> {
  if (/^mailto:[^@\s]+@[^@\s]+$/.test(text) || (text.startsWith('https://') && URL.canParse(text)))
    return { ok: true, value: text }
  const remedy = 'write for example mailto:operator@example.com: push services ask there when something is wrong'
  return { ok: false, expected: 'a mailto: or https: address', remedy }
}

export function hostsSetting(text: string): Read<string[]> {
  const hosts = list(text.toLowerCase())
  const wrong = hosts.find((host) => !/^(\*|(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*)(:\d{1,5})?$/.test(host))
  if (hosts.length > 0 && wrong === undefined) return { ok: true, value: hosts }
  const remedy = 'write for example fcm.googleapis.com,*.push.apple.com; * is any public host'
  return { ok: false, expected: 'hosts with a comma between', ...(wrong ? { got: wrong } : {}), remedy }
}

/** http is for services on the way to others, such as those of a test. */
export function urlSetting(remedy = 'leave it out to use the service itself') {
  return (text: string): Read<string> => {
    const url = URL.canParse(text) ? new URL(text) : undefined
    const isRight = (url?.protocol === 'https:' || url?.protocol === 'http:') && !url.username && !url.hash
    return isRight ? { ok: true, value: url.href } : { ok: false, expected: 'an https URL', remedy, secret: true }
  }
}

function isPem(text: string): boolean {
  return text.includes('-----BEGIN PRIVATE KEY-----')
}

function isJson(text: string): boolean {
  return /^\s*[{[]/.test(text)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) ?? undefined
  } catch {
    return undefined
  }
}

/** @returns undefined when it is not base64 of something of that kind */
function fromBase64(text: string, isRight: (text: string) => boolean): string | undefined {
  try {
    const plain = atob(text.replaceAll(/\s/g, '').replaceAll('-', '+').replaceAll('_', '/'))
    const decoded = new TextDecoder().decode(Uint8Array.from(plain, (each) => each.charCodeAt(0)))
    return isRight(decoded) ? decoded : undefined
  } catch {
    return undefined
  }
}

function list(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)
}
