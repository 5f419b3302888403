/** List prices in US dollars, without free allowances; AWS in us-east-1. `seen` says how sure they are. */
export interface Price {
  usd: number
  per: string
  source: string
  /** Day on which it was looked up, or that the source gives; `none` where nobody has looked. */
  date: string
  seen: 'quoted by others' | 'not verified'
}

export const PRICES = {
  lambdaRequest: price(0.2, '1,000,000 requests', 'https://cloudchipr.com/blog/aws-lambda-pricing', '2024'),
  lambdaGbSecond: price(0.0000133334, 'GB-second, arm64', 'https://cloudchipr.com/blog/aws-lambda-pricing', '2024'),
  workersRequest: price(
    0.3,
    '1,000,000 requests',
    'https://github.com/halideworks/onelight/wiki/Pricing',
    '2026-08-03',
  ),
  workersCpuMs: price(
    0.02,
    '1,000,000 ms of CPU',
    'https://github.com/halideworks/onelight/wiki/Pricing',
    '2026-08-03',
  ),
  upstashCommand: price(0.2, '100,000 commands', 'https://upstash.com/pricing/redis', '2026-11-09'),
  snsPush: price(
    0.5,
    '1,000,000 mobile pushes',
    'https://www.factualminds.com/blog/amazon-sns-pricing-publishes-fanout-protocols/',
    '2026',
  ),
  fargateCpuHour: price(0.03238, 'vCPU-hour, arm64', 'https://www.vantage.sh/blog/fargate-pricing', '2026'),
  fargateGbHour: price(0.00356, 'GB-hour, arm64', 'https://www.vantage.sh/blog/fargate-pricing', '2026'),
  cacheNodeHour: unverified(0.0256, 'hour of cache.t4g.small, Valkey', 'https://aws.amazon.com/elasticache/pricing/'),
  loadBalancerHour: unverified(
    0.0225,
    'hour of a load balancer',
    'https://aws.amazon.com/elasticloadbalancing/pricing/',
  ),
  addressHour: unverified(0.005, 'hour of a public IPv4 address', 'https://aws.amazon.com/vpc/pricing/'),
} as const

function price(usd: number, per: string, source: string, date: string): Price {
  return { usd, per, source, date, seen: 'quoted by others' }
}

function unverified(usd: number, per: string, source: string): Price {
  return { usd, per, source, date: 'none', seen: 'not verified' }
}
