/** A request as it came over HTTP. */
export interface HttpRequest {
  method: string
  /** As it was sent, with its escapes. */
  path: string
  /** Without the question mark. */
  query: string
  headers: [name: string, value: string][]
  body: Buffer
}

/** What stands in front of a function. */
export type Front = 'function-url' | 'http-api' | 'http-api-1.0' | 'rest-api' | 'alb'

/** The event that AWS makes of a request. */
export function lambdaEvent(front: Front, request: HttpRequest): Record<string, unknown> {
  switch (front) {
    case 'function-url':
      return payload2(request, request.path, 'abcdefg.lambda-url.eu-central-1.on.aws')
    case 'http-api':
      return payload2(request, decoded(request.path), 'abcdefg.execute-api.eu-central-1.amazonaws.com')
    case 'http-api-1.0':
      return { version: '1.0', ...payload1(request, decoded(request.path)) }
    case 'rest-api':
      return payload1(request, request.path)
    case 'alb':
      return forLoadBalancer(request)
  }
}

/** Headers that come more than once are joined; cookies stand beside them. */
function payload2(request: HttpRequest, path: string, domainName: string): Record<string, unknown> {
  const { method, query, headers } = request
  const names = namesOf(headers).filter((name) => name !== 'cookie')
  const cookies = valuesOf(headers, 'cookie').flatMap((value) => value.split('; '))
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: path,
    rawQueryString: query,
    ...(cookies.length > 0 ? { cookies } : {}),
    headers: Object.fromEntries(names.map((name) => [name, valuesOf(headers, name).join(',')])),
    requestContext: {
      apiId: 'abcdefg',
      domainName,
      http: { method, path, protocol: 'HTTP/1.1', sourceIp: '192.0.2.1', userAgent: 'test' },
      stage: '$default',
    },
    ...bodyOf(request),
  }
}

function payload1(request: HttpRequest, path: string): Record<string, unknown> {
  const { method, headers } = request
  const domainName = 'abcdefg.execute-api.eu-central-1.amazonaws.com'
  return {
    resource: '/{proxy+}',
    path,
    httpMethod: method,
    ...repeated(headers),
    ...parametersOf(request),
    requestContext: { apiId: 'abcdefg', domainName, httpMethod: method, path, stage: 'prod' },
    ...bodyOf(request),
  }
}

/** Of a target group with multi-value headers. */
function forLoadBalancer(request: HttpRequest): Record<string, unknown> {
  const { method, path, headers } = request
  const { multiValueHeaders } = repeated(headers)
  const targetGroupArn = 'arn:aws:elasticloadbalancing:eu-central-1:000000000000:targetgroup/routes/1'
  const common = { requestContext: { elb: { targetGroupArn } }, path, httpMethod: method, multiValueHeaders }
  return { ...common, ...parametersOf(request), ...bodyOf(request), body: bodyOf(request).body ?? '' }
}

function repeated(headers: HttpRequest['headers']) {
  const names = namesOf(headers)
  return {
    headers: Object.fromEntries(names.map((name) => [name, valuesOf(headers, name).at(-1)])),
    multiValueHeaders: Object.fromEntries(names.map((name) => [name, valuesOf(headers, name)])),
  }
}

function parametersOf({ query }: HttpRequest) {
  const multi: Record<string, string[]> = {}
  for (const [name, value] of new URLSearchParams(query)) multi[name] = [...(multi[name] ?? []), value]
  const single = Object.fromEntries(Object.entries(multi).map(([name, values]) => [name, values.at(-1)]))
  return query === ''
    ? { queryStringParameters: null, multiValueQueryStringParameters: null }
    : { queryStringParameters: single, multiValueQueryStringParameters: multi }
}

/** Only these types go as text; everything else, `application/cloudevents+json` too, as base64. */
function bodyOf({ headers, body }: HttpRequest): { body: string | null; isBase64Encoded: boolean } {
  if (body.length === 0) return { body: null, isBase64Encoded: false }
  const type = valuesOf(headers, 'content-type')[0] ?? ''
  const isText = /^(text\/|application\/(json|javascript|xml)\b)/.test(type)
  return { body: body.toString(isText ? 'utf8' : 'base64'), isBase64Encoded: !isText }
}

/** An HTTP API resolves escapes, and what follows a question mark that comes of it is lost. */
function decoded(path: string): string {
  return decodeURIComponent(path).split('?', 1)[0]!
}

function namesOf(headers: HttpRequest['headers']): string[] {
  return [...new Set(headers.map(([name]) => name))]
}

function valuesOf(headers: HttpRequest['headers'], wanted: string): string[] {
  return headers.filter(([name]) => name === wanted).map(([, value]) => value)
}
