import { PRICES } from './prices.ts'
import { USAGES, type Usage } from './usage.ts'

/** What is assumed where nothing was measured. */
const ASSUMED = {
  lambdaMs: 10,
  lambdaGb: 0.5,
  workersCpuMs: 2,
  hoursPerMonth: 730,
  gateways: 2,
  addresses: 4,
  cacheNodes: 2,
}

/** The tables of COSTS.md, in their order. */
export function tables(): string {
  return [usageTable(), millionTable(), monthTable(), priceTable()].join('\n\n')
}

function usageTable(): string {
  const rows = USAGES.map(({ call, ...counts }) => [call, ...Object.values(counts).map(String)])
  return table(['a call that …', 'invocations', 'requests to Redis', 'commands in Redis', 'pushes'], rows)
}

/** US dollars for a million calls. */
function millionTable(): string {
  const rows = USAGES.map((usage) => [usage.call, ...perMillion(usage).map((usd) => usd.toFixed(2))])
  return table(
    ['a million calls, each …', 'Lambda', 'Workers', 'Upstash, scripts as one', 'Upstash, each command', 'SNS'],
    rows,
  )
}

function perMillion({ invocations, requests, commands, pushes }: Usage): number[] {
  const lambdaSeconds = (ASSUMED.lambdaMs / 1000) * ASSUMED.lambdaGb * 1e6
  return [
    invocations * (PRICES.lambdaRequest.usd + lambdaSeconds * PRICES.lambdaGbSecond.usd),
    invocations * (PRICES.workersRequest.usd + ASSUMED.workersCpuMs * PRICES.workersCpuMs.usd),
    requests * 10 * PRICES.upstashCommand.usd,
    commands * 10 * PRICES.upstashCommand.usd,
    pushes * PRICES.snsPush.usd,
  ]
}

/** What the stack of aws/ costs before anybody calls. */
function monthTable(): string {
  const { hoursPerMonth, gateways, addresses, cacheNodes } = ASSUMED
  const fixed: [string, number][] = [
    [
      '2 gateways on Fargate, 1 vCPU and 2 GB each',
      gateways * (PRICES.fargateCpuHour.usd + 2 * PRICES.fargateGbHour.usd),
    ],
    ['2 nodes of ElastiCache', cacheNodes * PRICES.cacheNodeHour.usd],
    ['the load balancer, without its capacity units', PRICES.loadBalancerHour.usd],
    ['4 public addresses', addresses * PRICES.addressHour.usd],
  ]
  const total = fixed.reduce((sum, [, usd]) => sum + usd, 0)
  const rows = [...fixed, ['together', total] as const].map(([what, usd]) => [what, (usd * hoursPerMonth).toFixed(2)])
  return table(['a month of aws/', 'USD'], rows)
}

function priceTable(): string {
  const rows = Object.values(PRICES).map(({ usd, per, source, date, seen }) => [String(usd), per, date, seen, source])
  return table(['USD', 'per', 'date', 'how sure', 'source'], rows)
}

function table(head: string[], rows: string[][]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
