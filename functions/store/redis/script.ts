/** A Lua script, called by the digest of its text. */
export class Script {
  readonly text: string
  /** SHA-1 of the text in hexadecimal, as EVALSHA names it; `undefined` until `prepare` has made it. */
  digest: string | undefined

  constructor(text: string) {
    this.text = text.trim()
  }

  async prepare(): Promise<void> {
    this.digest = await sha1(this.text)
  }
}

async function sha1(text: string): Promise<string> {
  const bytes = await crypto.subtle.digest('SHA-1', new TextEncoder().encode(text))
  return [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** Lua: lets a key live for at least `ms` from now. */
export const KEEP = `
local function keep(key, ms)
  if redis.call('PTTL', key) < ms then redis.call('PEXPIRE', key, ms) end
end
`

/** Lua: this server's time in microseconds, moved by `offset`, as a string that keeps every digit. */
export const POSITION = `
local function position(offset)
  local time = redis.call('TIME')
  return string.format('%.0f', time[1] * 1000000 + time[2] + offset)
end
`
