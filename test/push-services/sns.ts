import { createHash, randomUUID } from 'node:crypto'
import { type Answer, type Asked, type Listening, listen, type Now, type Silence } from './listener.ts'
import { type Credentials, signatureFault } from './sigv4.ts'
import {
  attributeFault,
  deliveryFault,
  type Fault,
  invalid,
  type Outgoing,
  outgoing,
  type Platform,
} from './sns-message.ts'
import { attributesOf, messageAttributesOf, tag, xml } from './sns-query.ts'
import { type TopicMessage, Topics } from './sns-topic.ts'

/** Stands in for Amazon SNS over its Query API: mobile push, with the platforms behind it, and topics. README.md names the documents. */

export type SnsTrouble = keyof typeof TROUBLES | Silence

export interface SnsOptions {
  /** platform applications by their name; `{ name: 'GCM' }` */
  applications?: Record<string, Platform>
  /** names of topics; one that ends with `.fifo` keeps their order */
  topics?: string[]
  credentials?: Credentials
  region?: string
  now?: Now
}

export interface SnsEndpoint {
  arn: string
  application: string
  token: string
  enabled: boolean
  customUserData: string
}

export interface SnsPush extends Outgoing {
  endpoint: string
  token: string
  platform: Platform
  attributes: Record<string, string>
  /** why the platform dropped it, undefined when it went to the device */
  undelivered?: string
}

export interface Sns extends Listening {
  region: string
  credentials: Credentials
  /** what was published: SNS took it, which says nothing of the device */
  received: SnsPush[]
  /** what subscribers of topics got */
  readonly published: readonly TopicMessage[]
  /** every answer that was no 200: `Publish 400 EndpointDisabled` */
  refused: string[]
  endpoints: Map<string, SnsEndpoint>
  /** ARN of an application */
  applicationArn(name: string): string
  topicArn(name: string): string
  disableApplication(name: string): void
  /** The platform no longer knows this token: the next push to it is taken, then its endpoint is disabled. */
  dropToken(token: string): void
  /** each trouble meets one signed request, in this order */
  script(...troubles: SnsTrouble[]): void
}

const NAMESPACE = 'http://sns.amazonaws.com/doc/2010-03-31/'
const ACCOUNT = '123456789012'
const TROUBLES = {
  Throttled: { status: 429, message: 'Rate exceeded' },
  Throttling: { status: 400, message: 'Rate exceeded' },
  InternalError: { status: 500, message: 'Internal service error' },
  ServiceUnavailable: { status: 503, message: 'Service is unavailable' },
  AuthorizationError: { status: 403, message: 'User is not authorized to perform this action' },
  NotFound: { status: 404, message: 'Endpoint does not exist' },
} as const
const ENDPOINT_ATTRIBUTES = ['CustomUserData', 'Enabled', 'Token']

/** `after`: what happens once SNS has decided, behind the sender's back. */
type Done = { result: string; after?: () => void } | Fault

export async function start(options: SnsOptions = {}): Promise<Sns> {
  const {
    applications = { android: 'GCM', ios: 'APNS', voip: 'APNS_VOIP' },
    region = 'us-east-1',
    now = Date.now,
  } = options
  const credentials = options.credentials ?? { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'standin-secret' }
  const topicArn = (name: string) => `arn:aws:sns:${region}:${ACCOUNT}:${name}`
  const topics = new Topics((options.topics ?? []).map(topicArn), now)
  const endpoints = new Map<string, SnsEndpoint>()
  const disabled = new Set<string>()
  const dropped = new Set<string>()
  const script: SnsTrouble[] = []
  const received: SnsPush[] = []
  const refused: string[] = []
  const applicationArn = (name: string) => `arn:aws:sns:${region}:${ACCOUNT}:app/${applications[name]}/${name}`
  const applicationOf = (arn: string | null) => Object.keys(applications).find((name) => applicationArn(name) === arn)

  const ACTIONS: Record<string, (form: URLSearchParams) => Done> = {
    CreatePlatformEndpoint: create,
    GetEndpointAttributes: (form) => {
      const endpoint = endpoints.get(form.get('EndpointArn') ?? '')
      return endpoint ? { result: attributesXml(endpoint) } : missing('Endpoint')
    },
    SetEndpointAttributes: set,
    Publish: publish,
  }

  const listening = await listen((asked) => {
    const form = new URLSearchParams(asked.body.toString())
    const action = form.get('Action') ?? ''
    const fault = signatureFault(asked, credentials, { region, service: 'sns' }, now()) ?? requestFault(asked, form)
    if (fault) return refuse(action, fault)
    const trouble = script.shift()
    if (trouble === 'hang' || trouble === 'reset') return trouble
    if (trouble) return refuse(action, { code: trouble, ...TROUBLES[trouble] })
    const done = ACTIONS[action]!(form)
    if ('code' in done) return refuse(action, done)
    done.after?.()
    const result = done.result === '' ? '' : `<${action}Result>${done.result}</${action}Result>`
    return xml(
      200,
      `<${action}Response xmlns="${NAMESPACE}">${result}<ResponseMetadata><RequestId>${randomUUID()}</RequestId></ResponseMetadata></${action}Response>`,
    )
  })

  function requestFault({ method, path, headers }: Asked, form: URLSearchParams): Fault | undefined {
    const isForm = headers['content-type']?.startsWith('application/x-www-form-urlencoded')
    if (method !== 'POST' || path !== '/' || !isForm)
      return { status: 400, code: 'MalformedQueryString', message: 'POST / with application/x-www-form-urlencoded' }
    if (form.get('Version') !== '2010-03-31' || !ACTIONS[form.get('Action') ?? ''])
      return {
        status: 400,
        code: 'InvalidAction',
        message: `Could not find operation ${form.get('Action')} for version ${form.get('Version')}`,
      }
    return undefined
  }

  function create(form: URLSearchParams): Done {
    const application = applicationOf(form.get('PlatformApplicationArn'))
    if (application === undefined) return missing('PlatformApplication')
    const attributes = attributesOf(form)
    const token = form.get('Token') ?? ''
    const fault = namesFault(attributes) ?? tokenFault(token, applications[application]!)
    if (fault) return fault
    const customUserData = form.get('CustomUserData') ?? attributes.CustomUserData ?? ''
    const same = [...endpoints.values()].find((one) => one.application === application && one.token === token)
    if (same) {
      const isSame =
        same.customUserData === customUserData &&
        String(same.enabled) === (attributes.Enabled ?? String(same.enabled)).toLowerCase()
      return isSame ? { result: tag('EndpointArn', same.arn) } : taken(same)
    }
    const id = createHash('sha256')
      .update(token)
      .digest('hex')
      .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*/, '$1-$2-$3-$4-$5')
    const arn = applicationArn(application).replace(':app/', ':endpoint/').concat(`/${id}`)
    const enabled = attributes.Enabled?.toLowerCase() !== 'false'
    endpoints.set(arn, { arn, application, token, enabled, customUserData })
    return { result: tag('EndpointArn', arn) }
  }

  function set(form: URLSearchParams): Done {
    const endpoint = endpoints.get(form.get('EndpointArn') ?? '')
    if (!endpoint) return missing('Endpoint')
    const attributes = attributesOf(form)
    const { Token: token, Enabled: enabled, CustomUserData: data } = attributes
    const fault =
      namesFault(attributes) ??
      (token === undefined ? undefined : tokenFault(token, applications[endpoint.application]!))
    if (fault) return fault
    const other = [...endpoints.values()].find(
      (one) => one !== endpoint && one.application === endpoint.application && one.token === token,
    )
    if (other) return taken(other)
    if (token !== undefined) endpoint.token = token
    if (enabled !== undefined) endpoint.enabled = enabled.toLowerCase() === 'true'
    if (data !== undefined) endpoint.customUserData = data
    return { result: '' }
  }

  function publish(form: URLSearchParams): Done {
    if (form.has('TopicArn')) return topics.publish(form) ?? { result: tag('MessageId', randomUUID()) }
    const arn = form.get('TargetArn')
    if (!arn) return invalid('TopicArn or TargetArn Reason: no value for required parameter')
    const endpoint = endpoints.get(arn)
    // Not the NotFound of the API reference: this is what SNS says of an endpoint that was deleted.
    if (!endpoint) return invalid('TargetArn Reason: No endpoint found for the target arn specified')
    const platform = applications[endpoint.application]!
    const message = outgoing(form.get('Message') ?? '', form.get('MessageStructure') ?? undefined, platform)
    if ('code' in message) return message
    const given = messageAttributesOf(form)
    const fault = attributeFault(given)
    if (fault) return fault
    if (disabled.has(endpoint.application))
      return { status: 400, code: 'PlatformApplicationDisabled', message: 'Platform application is disabled' }
    if (!endpoint.enabled) return { status: 400, code: 'EndpointDisabled', message: 'Endpoint is disabled' }
    const attributes = Object.fromEntries(given.map(({ name, value }) => [name, value]))
    const isDropped = dropped.has(endpoint.token)
    const undelivered = isDropped
      ? 'the platform no longer knows the token'
      : deliveryFault(message, platform, attributes['AWS.SNS.MOBILE.APNS.PUSH_TYPE'])
    const push: SnsPush = {
      endpoint: arn,
      token: endpoint.token,
      platform,
      ...message,
      attributes,
      ...(undelivered && { undelivered }),
    }
    const deliver = () => {
      received.push(push)
      if (isDropped) endpoint.enabled = false
    }
    return { result: tag('MessageId', randomUUID()), after: deliver }
  }

  function refuse(action: string, { status, code, message }: Fault): Answer {
    refused.push(`${action} ${status} ${code}`)
    const type = status < 500 ? 'Sender' : 'Receiver'
    return xml(
      status,
      `<ErrorResponse xmlns="${NAMESPACE}"><Error>${tag('Type', type)}${tag('Code', code)}${tag('Message', message)}</Error><RequestId>${randomUUID()}</RequestId></ErrorResponse>`,
    )
  }

  return {
    ...listening,
    region,
    credentials,
    received,
    published: topics.published,
    refused,
    endpoints,
    applicationArn,
    topicArn,
    disableApplication: (name) => void disabled.add(name),
    dropToken: (token) => void dropped.add(token),
    script: (...troubles) => void script.push(...troubles),
  }
}

function namesFault(attributes: Record<string, string>): Fault | undefined {
  const unknown = Object.keys(attributes).find((name) => !ENDPOINT_ATTRIBUTES.includes(name))
  if (unknown) return invalid(`Attributes Reason: Invalid attribute name: ${unknown}`)
  if (!/^(true|false)$/i.test(attributes.Enabled ?? 'true'))
    return invalid('Attributes Reason: Enabled is true or false')
  const isLong = Buffer.byteLength(attributes.CustomUserData ?? '') >= 2_048
  return isLong ? invalid('Attributes Reason: CustomUserData must be less than 2KB') : undefined
}

function tokenFault(token: string, platform: Platform): Fault | undefined {
  if (token === '') return invalid('Token Reason: cannot be empty')
  if (platform.startsWith('APNS') && !/^[\da-f]{1,400}$/i.test(token))
    return invalid('Token Reason: iOS device tokens must be no more than 400 hexadecimal characters')
  const isLong = Buffer.byteLength(token) > 8_192
  return isLong ? invalid('Token Reason: must be at most 8192 bytes long in UTF-8 encoding') : undefined
}

function taken({ arn }: SnsEndpoint): Fault {
  return invalid(`Token Reason: Endpoint ${arn} already exists with the same Token, but different attributes.`)
}

function missing(what: string): Fault {
  return { status: 404, code: 'NotFound', message: `${what} does not exist` }
}

function attributesXml({ token, enabled, customUserData }: SnsEndpoint): string {
  const held = { Enabled: String(enabled), Token: token, ...(customUserData && { CustomUserData: customUserData }) }
  const entries = Object.entries(held).map(([key, value]) => `<entry>${tag('key', key)}${tag('value', value)}</entry>`)
  return `<Attributes>${entries.join('')}</Attributes>`
}
