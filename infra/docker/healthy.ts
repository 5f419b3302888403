import { hostPort, isWildcard } from '../../gateway/config-values.ts'

/**
 * The health check of the image: ends with 0 when the process answers, else says why not and ends with 1. Asked is the gateway at
 * `HTTP_LISTEN`, or the URL that was given; `UPSTASH_LOCAL_TOKEN` is sent where it is set.
 */

const TIMEOUT_MS = 2_500

const url = process.argv[2] ?? gatewayUrl(process.env.HTTP_LISTEN || '127.0.0.1:8080')
const token = process.env.UPSTASH_LOCAL_TOKEN
try {
  const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {}
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) })
  if (response.status !== 200) fail(`${url} answers ${response.status}`)
} catch (error) {
  fail(`${url} does not answer: ${(error as Error).message}`)
}

function gatewayUrl(setting: string): string {
  const listen = hostPort(setting)
  if (!listen.ok) fail(`HTTP_LISTEN: expected ${listen.expected}, got "${setting}"; ${listen.remedy}`)
  const { host, port = 8080 } = listen.value
  const isIPv6 = host.includes(':')
  const target = isWildcard(host) ? (isIPv6 ? '::1' : '127.0.0.1') : host
  return `http://${isIPv6 ? `[${target}]` : target}:${port}/healthz`
}

function fail(sentence: string): never {
  process.stderr.write(`rouse: ${sentence}\n`)
  process.exit(1)
}
