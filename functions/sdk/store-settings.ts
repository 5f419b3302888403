/** Where the store of a program is. Messages name the environment's settings, which is where these values come from. */
export interface StoreSettings {
  /** Upstash's REST API, `https://…`, or that of `npm run upstash-local`: `UPSTASH_REDIS_REST_URL`. */
  url: string | undefined
  /** `UPSTASH_REDIS_REST_TOKEN`. */
  token: string | undefined
  /** What goes before every key, as the gateways have it: `REDIS_PREFIX`; default `rouse`. */
  prefix?: string | undefined
}

/** @returns undefined when neither the URL nor the token is set; an empty value counts as absent */
export function settingsOf(env: object): StoreSettings | undefined {
  const { UPSTASH_REDIS_REST_URL, UPSTASH_REDIS_REST_TOKEN, REDIS_PREFIX } = env as Record<string, unknown>
  const url = textOf(UPSTASH_REDIS_REST_URL)
  const token = textOf(UPSTASH_REDIS_REST_TOKEN)
  return url === undefined && token === undefined ? undefined : { url, token, prefix: textOf(REDIS_PREFIX) }
}

/** @throws TypeError that names the setting and says what to do; a token is never in it */
export function checkedSettings({ url, token, prefix }: StoreSettings): { url: string; token: string; prefix: string } {
  if (!url || !isHttp(url)) {
    const remedy =
      'take it from the REST API of your Upstash database, or http://127.0.0.1:8079 of npm run upstash-local'
    throw fault('UPSTASH_REDIS_REST_URL', 'an https or http URL', shown(url), remedy)
  }
  // What cannot stand in a header would only show as an error of fetch, which quotes it.
  if (!token || !/^[\x21-\x7e]+$/.test(token)) {
    const got = token ? 'one with other characters' : 'nothing'
    throw fault('UPSTASH_REDIS_REST_TOKEN', 'the token that goes with the URL', got, 'take it from the same place')
  }
  if (prefix !== undefined && !/^[A-Za-z0-9._-]{1,64}$/.test(prefix)) {
    const expected = '1 to 64 letters, digits, dots, dashes and underscores'
    throw fault('REDIS_PREFIX', expected, shown(prefix), 'write what the gateways have, or leave it out')
  }
  return { url, token, prefix: prefix ?? 'rouse' }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined
}

function isHttp(url: string): boolean {
  return URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)
}

/** A URL may hold a password. */
function shown(value: string | undefined): string {
  if (value === undefined || value === '') return 'nothing'
  return value.includes('@') ? 'something else' : JSON.stringify(value.slice(0, 80))
}

function fault(setting: string, expected: string, got: string, remedy: string): TypeError {
  return new TypeError(`${setting}: expected ${expected}, got ${got}; ${remedy}`)
}
