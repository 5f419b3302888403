import { CONTRACT } from '../envelope.ts'
import { EXAMPLES } from './examples.ts'
import { type Defs, type JsonSchema, withRefs } from './json.ts'
import { publishedDefs } from './schema.ts'
import { INVOCATION_STATUSES } from './statuses.ts'

const COMPONENTS = '#/components/schemas/'

/** What a function serves, and a push function, as an OpenAPI 3.1 document. */
export function openApi(): Record<string, unknown> {
  return {
    openapi: '3.1.0',
    info: {
      title: `Rouse functions, contract ${CONTRACT}`,
      version: `${CONTRACT}.0.0`,
      description: ABOUT,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [
      {
        url: '{functions}',
        description: 'The gateway’s FUNCTIONS; a path in it comes before every path, a query is kept.',
        variables: { functions: { default: 'http://127.0.0.1:3000' } },
      },
    ],
    security: [{}, { webhookSignature: [] }],
    tags: [
      { name: 'functions', description: 'At the URL of FUNCTIONS, and of FUNCTIONS_FALLBACK_URL.' },
      { name: 'push', description: 'At PUSH_URL, which is the whole URL.' },
    ],
    paths: {
      '/.well-known/rouse': { get: manifest() },
      '/{method}/{domain}/{user}': {
        parameters: ROUTE,
        post: invocation('routeRequest', 'A request, or the end of a wait'),
      },
      '/on/{handler}': { parameters: [HANDLER], post: invocation('handle', 'A named handler') },
      '/push': { post: push() },
    },
    components: {
      schemas: components(publishedDefs()),
      parameters: HEADERS,
      securitySchemes: { webhookSignature: SIGNATURE },
    },
  }
}

/** Definitions as components of OpenAPI, where a choice of actions names the field that makes it. */
export function components(defs: Defs): Defs {
  const moved = withRefs(defs, (name) => COMPONENTS + name) as Defs
  for (const name of ['Action', 'ActionInReaction']) {
    if (moved[name]) moved[name] = { ...moved[name], discriminator: discriminator(moved, moved[name]) }
  }
  return moved
}

function discriminator(defs: Defs, { oneOf = [] }: JsonSchema): JsonSchema {
  const mapping = oneOf.map(({ $ref }) => [defs[$ref!.slice(COMPONENTS.length)]!.properties!.action!.const, $ref])
  return { propertyName: 'action', mapping: Object.fromEntries(mapping) }
}

function manifest() {
  return {
    operationId: 'manifest',
    tags: ['functions'],
    summary: 'What the function serves',
    description:
      'Read when the gateway starts and every 30 seconds, within 5 seconds. Signed as invocations are, and so is its answer.',
    responses: {
      200: { description: 'The manifest.', content: json('Manifest') },
      404: { description: 'None: the function is asked about every method.' },
    },
  }
}

function invocation(operationId: string, summary: string) {
  const responses = INVOCATION_STATUSES.map(({ status, retried, meaning }) => [
    status,
    { description: meaning, ...contentOf(status), 'x-rouse-retried': retried },
  ])
  return {
    operationId,
    tags: ['functions'],
    summary,
    parameters: Object.keys(HEADERS).map((name) => ({ $ref: `#/components/parameters/${name}` })),
    requestBody: { required: true, content: content('application/cloudevents+json', 'Invocation') },
    responses: Object.fromEntries(responses),
  }
}

function contentOf(status: string) {
  if (status === '200') return { content: json('Answer') }
  return /^[45]/.test(status) ? { content: content('application/problem+json', 'Problem') } : {}
}

function push() {
  return {
    operationId: 'push',
    tags: ['push'],
    summary: 'Wakes one device',
    description: 'Asked once, for at most 5 seconds. Anything but a 200 with a result counts as `failed`.',
    parameters: ['webhook-id', 'webhook-timestamp'].map((name) => ({ $ref: `#/components/parameters/${name}` })),
    requestBody: { required: true, content: json('PushMessage') },
    responses: {
      200: { description: 'What became of it.', content: json('PushResult') },
      default: { description: 'Counts as `failed`.', content: content('application/problem+json', 'Problem') },
    },
  }
}

function json(name: keyof typeof EXAMPLES) {
  return content('application/json', name)
}

function content(type: string, name: keyof typeof EXAMPLES) {
  return { [type]: { schema: { $ref: COMPONENTS + name }, examples: EXAMPLES[name] } }
}

function inPath(name: string, description: string, example: string) {
  return { name, in: 'path', required: true, description, schema: { type: 'string' }, example }
}

const ROUTE = [
  inPath('method', 'SIP method in lower case.', 'invite'),
  inPath('domain', 'Host of the AOR in lower case, IPv6 without brackets; `-` when there is none.', 'example.com'),
  inPath('user', 'User of the AOR, percent-encoded; `-` when there is none, or it is `.` or `..`.', 'bob'),
]
const HANDLER = inPath('handler', 'Name of the handler, percent-encoded.', 'late-fork')

function header(name: string, required: boolean, description: string, schema: JsonSchema) {
  return { name, in: 'header', required, description, schema }
}

const HEADERS = {
  'webhook-id': header('webhook-id', true, 'The idempotency key: the `id` of the message, the same on every try.', {
    type: 'string',
  }),
  'webhook-timestamp': header('webhook-timestamp', false, 'When this try was signed, in seconds since the epoch.', {
    type: 'string',
    pattern: '^\\d{1,12}$',
  }),
  'traceparent': header('traceparent', false, 'W3C Trace Context, when there is a trace.', { type: 'string' }),
}

const SIGNATURE = {
  type: 'apiKey',
  in: 'header',
  name: 'webhook-signature',
  description:
    'Standard Webhooks, when the gateway has a WEBHOOK_SECRET: `v1,` and the base64 of HMAC-SHA256 over `{webhook-id}.{webhook-timestamp}.{body}`, the octets of the body as they came; the key is what stands as base64 behind `whsec_`. While keys are rotated there are several signatures, separated by a space: one that matches is enough. Compare in constant time, and refuse a timestamp that is more than 300 seconds off.',
}

const ABOUT = `What a function serves for a Rouse gateway, in any language: it is asked once for each initial SIP request, and answers with actions.

- An INVITE is answered within 2.5 s with both tries, the first of which has 1.2 s; other requests within 1.5 s and 0.7 s. \`data.deadline\` says when the gateway stops waiting for the try.
- Responses are HTTP/1.1, \`application/json\` or any \`+json\`, with at most 1 MiB of body and 16 KiB of headers. Redirects are not followed.
- An invocation may come more than once under one \`webhook-id\`: answer it the same way.
- Unknown fields are to be ignored, on both sides; an unknown action is refused.
- Lengths count characters, that is Unicode code points.`
