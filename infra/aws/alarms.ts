import { Duration } from 'aws-cdk-lib'
import {
  Alarm,
  ComparisonOperator,
  type IMetric,
  MathExpression,
  Metric,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch'
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions'
import { Topic } from 'aws-cdk-lib/aws-sns'
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions'
import { Construct } from 'constructs'
import type { Functions } from './functions.ts'
import type { Gateways } from './gateways.ts'
import type { Redis } from './redis.ts'

export interface AlarmsProps {
  gateways: Gateways
  functions: Functions
  redis: Redis | undefined
  email: string | undefined
}

const PERIOD = Duration.minutes(1)

/** What somebody should look at, told to one topic. */
export class Alarms extends Construct {
  readonly #topic: Topic

  constructor(scope: Construct, id: string, { gateways, functions, redis, email }: AlarmsProps) {
    super(scope, id)
    this.#topic = new Topic(this, 'Topic', { enforceSSL: true })
    if (email) this.#topic.addSubscription(new EmailSubscription(email))

    const { targets, service } = gateways
    this.#below(
      'NoGateway',
      'No gateway takes calls',
      targets.metrics.healthyHostCount({ period: PERIOD, statistic: 'Minimum' }),
      1,
      1,
    )
    this.#above(
      'GatewayUnready',
      'A gateway takes no calls',
      targets.metrics.unHealthyHostCount({ period: PERIOD }),
      0,
      5,
    )
    this.#above(
      'GatewaysBusy',
      'Gateways are busier than scaling keeps them',
      service.metricCpuUtilization({ period: PERIOD }),
      80,
      10,
    )

    const { function: routes } = functions
    const failures = new MathExpression({
      expression: '100 * (errors + throttles) / MAX([invocations + throttles, 1])',
      usingMetrics: {
        errors: routes.metricErrors({ period: PERIOD }),
        throttles: routes.metricThrottles({ period: PERIOD }),
        invocations: routes.metricInvocations({ period: PERIOD }),
      },
      period: PERIOD,
    })
    this.#above('FunctionsFail', 'Percent of invocations that fail', failures, 1, 3)
    const slow = routes.metricDuration({ period: PERIOD, statistic: 'p99' })
    this.#above('FunctionsSlow', 'Milliseconds; a gateway asks again after 1200', slow, 1000, 5)

    if (redis) this.#watchRedis(redis.groupId)
  }

  #watchRedis(ReplicationGroupId: string): void {
    const metric = (metricName: string) =>
      new Metric({
        namespace: 'AWS/ElastiCache',
        metricName,
        dimensionsMap: { ReplicationGroupId },
        period: PERIOD,
        statistic: 'Maximum',
      })
    this.#above(
      'RedisFull',
      'Percent of the memory; nothing is evicted, writes fail',
      metric('DatabaseMemoryUsagePercentage'),
      75,
      5,
    )
    this.#above('RedisBusy', 'Percent of the one core that Redis uses', metric('EngineCPUUtilization'), 80, 5)
  }

  #above(name: string, alarmDescription: string, metric: IMetric, threshold: number, evaluationPeriods: number): void {
    const comparisonOperator = ComparisonOperator.GREATER_THAN_THRESHOLD
    const treatMissingData = TreatMissingData.NOT_BREACHING
    this.#alarm(name, { metric, alarmDescription, threshold, evaluationPeriods, comparisonOperator, treatMissingData })
  }

  /** Nothing heard is as bad as nothing. */
  #below(name: string, alarmDescription: string, metric: IMetric, threshold: number, evaluationPeriods: number): void {
    const comparisonOperator = ComparisonOperator.LESS_THAN_THRESHOLD
    const treatMissingData = TreatMissingData.BREACHING
    this.#alarm(name, { metric, alarmDescription, threshold, evaluationPeriods, comparisonOperator, treatMissingData })
  }

  #alarm(name: string, props: ConstructorParameters<typeof Alarm>[2]): void {
    const action = new SnsAction(this.#topic)
    const alarm = new Alarm(this, name, props)
    alarm.addAlarmAction(action)
    alarm.addOkAction(action)
  }
}
