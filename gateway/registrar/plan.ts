import type { Binding, ReceivedFlow, RegisterChange } from '../../functions/store/store.ts'
import { type Contact, parseContacts, parseDeltaSeconds } from '../sip/contact.ts'
import type { SipMessage } from '../sip/message.ts'
import { parseNameAddr } from '../sip/name-addr.ts'
import { canonicalAor, parseUri, type SipUri } from '../sip/uri.ts'
import type { Flow } from '../transport/types.ts'
import { type Device, deviceOf } from './device.ts'
import { headerParameters, readQ, WAKES_ITSELF } from './header-parameters.ts'
import { isReachedByFlow } from './nat.ts'
import type { RegistrarOptions } from './options.ts'
import { contactWithoutPush, keepsPush, pushParameters, pushProvider } from './push-parameters.ts'
import { allServices, announcedServices, decidePush, featureCap } from './push-service.ts'
import { announcedRefresh, firstRefresh } from './refresh-schedule.ts'

/** Extensions a REGISTER may require of this registrar. */
const SUPPORTED = ['path']
const MAX_AOR = 512
const MAX_INSTANCE = 256
const MAX_USER_AGENT = 256
const MAX_CALL_ID = 512
const MAX_PATH = 16
/** "If and only if the requested expiration interval is greater than zero AND smaller than one hour": RFC 3261 10.3 step 7. */
const NEVER_TOO_BRIEF = 3600

export interface Refusal {
  status: number
  reason: string
  headers: [string, string][]
}

/** What a REGISTER asks for, ready to be stored, and what its 200 needs to know besides the bindings. */
export interface RegisterPlan {
  change: RegisterChange
  /** Contact URIs as this very request wrote them, by device: its sender finds itself in the 200 by them. */
  written: Map<string, string>
  /** Values of Feature-Caps. */
  featureCaps: string[]
  path: string[]
}
export type Planned = RegisterPlan | { refuse: Refusal }

/** Everything about the request that is the same for each of its contacts. */
interface Common {
  request: SipMessage
  flow: Flow
  options: RegistrarOptions
  now: number
  aor: string
  path: string[]
}

/**
 * Reads a REGISTER (RFC 3261 10.3, RFC 3327, RFC 5626, RFC 8599) that has passed `checkRequest`: the change it asks for, or why it is
 * refused whole.
 * @param now milliseconds since the epoch
 * @param aor the address-of-record instead of that in To; then no domain is asked about
 */
export function planRegister(
  request: SipMessage,
  flow: Flow,
  options: RegistrarOptions,
  now: number,
  aor?: string,
): Planned {
  const unknown = request.values('require').filter((option) => !SUPPORTED.includes(option.toLowerCase()))
  if (unknown.length > 0) return refuse(420, 'Bad Extension', ['Unsupported', unknown.join(', ')])
  if (request.callId.length > MAX_CALL_ID) return refuse(403, 'Call-ID Too Long')
  const whose = aor === undefined ? aorOfTo(request, options) : aorGiven(aor)
  if (typeof whose !== 'string') return whose
  const path = request.values('path')
  const fault = pathFault(path, options)
  return fault ?? planContacts({ request, flow, options, now, aor: whose, path })
}

/** 10.3 steps 1 and 5: a domain or user that is not ours is 404. */
function aorOfTo(request: SipMessage, options: RegistrarOptions): string | { refuse: Refusal } {
  const to = parseUri(request.to?.uri ?? '')
  const target = parseUri(request.uri)
  if (!to || to.scheme === 'tel' || !target) return refuse(400, 'Broken Address Of Record')
  const isLocal = options.isLocalDomain(to.host, to.port) && options.isLocalDomain(target.host, target.port)
  return isLocal ? aorGiven(request.to?.uri ?? '') : refuse(404, 'Not Found')
}

function aorGiven(aor: string): string | { refuse: Refusal } {
  const canonical = canonicalAor(aor)
  if (canonical === '') return refuse(400, 'Broken Address Of Record')
  return canonical.length > MAX_AOR ? refuse(403, 'Address Of Record Too Long') : canonical
}

function pathFault(path: string[], options: RegistrarOptions): { refuse: Refusal } | undefined {
  const length = path.reduce((sum, value) => sum + value.length, 0)
  if (path.length > MAX_PATH || length > options.maxLength) return refuse(403, 'Path Too Long')
  const isReadable = (value: string) => parseUri(parseNameAddr(value)?.uri ?? '')?.host
  return path.every(isReadable) ? undefined : refuse(400, 'Broken Path')
}

function planContacts(common: Common): Planned {
  const parsed = parseContacts(common.request)
  if (!parsed.ok) return refuse(400, 'Broken Contact')
  if (parsed.star) return planRemoveAll(common)
  if (parsed.contacts.length > common.options.maxContacts) return refuse(403, 'Too Many Contacts')
  const plan = emptyPlan(common)
  for (const contact of parsed.contacts) {
    const refusal = planContact(common, contact, plan)
    if (refusal) return refusal
  }
  plan.featureCaps = [...new Set(plan.featureCaps)]
  return plan
}

/** 10.3 step 6: `*` has to come alone and with Expires: 0. */
function planRemoveAll(common: Common): Planned {
  if (parseDeltaSeconds(common.request.header('expires')) !== 0) return refuse(400, 'Star Without Expires 0')
  const plan = emptyPlan(common)
  plan.change.remove = '*'
  return plan
}

function planContact(common: Common, contact: Contact, plan: RegisterPlan): { refuse: Refusal } | undefined {
  const { options } = common
  const { uri, nameAddr, raw } = contact
  if (!uri || uri.scheme === 'tel') return refuse(400, 'Contact Is No SIP URI')
  if (raw.length > options.maxLength) return refuse(403, 'Contact Too Long')
  const params = nameAddr.params
  const push = pushParameters(uri)
  const device = deviceOf(uri, params, push)
  if ((device.instance?.length ?? 0) > MAX_INSTANCE) return refuse(403, 'Instance Too Long')

  const expires = wantedExpires(common, params)
  plan.written.set(device.key, nameAddr.uri)
  if (expires === 0) {
    const keepUntil = keepsPush(uri) ? common.now + options.maxPushExpires * 1000 : undefined
    takeOut(plan, contactWithoutPush(nameAddr.uri, uri), device, keepUntil)
    return undefined
  }
  const decision = decidePush(uri, common.request, options)
  const min = Math.min(options.minExpires, NEVER_TOO_BRIEF)
  if (expires < min)
    return refuse(
      423,
      'Interval Too Brief',
      ['Min-Expires', String(min)],
      ...(decision === 'none' ? [] : allServices(options)),
    )
  if (decision === 'unsupported') return refuse(555, 'Push Notification Service Not Supported', ...allServices(options))
  const served = decision === 'served' ? push : undefined
  const granted = Math.min(expires, served ? options.maxPushExpires : options.maxExpires)
  putIn(plan, bindingOf(common, { contact, uri, device, params, push: served, granted }))
  if (decision === 'none') return undefined
  const services = announcedServices(pushProvider(uri) ?? '', options)
  const more = served ? indicators(common, device, params, granted) : {}
  plan.featureCaps.push(...featureCap(services, more, options))
  return undefined
}

/** What a device that is pushed is told besides. */
function indicators(
  { aor, options }: Common,
  device: Device,
  params: Map<string, string | undefined>,
  granted: number,
) {
  const refresh = params.has(WAKES_ITSELF) ? announcedRefresh(granted, options) : undefined
  return { refresh, purr: options.purr?.(aor, device.key) }
}

/** A malformed interval counts as 3600: RFC 3261 20.10 and 20.19. */
function wantedExpires(common: Common, params: Map<string, string | undefined>): number {
  if (params.has('expires')) return parseDeltaSeconds(params.get('expires')) ?? 3600
  const header = common.request.header('expires')
  return header === undefined ? common.options.defaultExpires : (parseDeltaSeconds(header) ?? 3600)
}

interface WantedContact {
  contact: Contact
  uri: SipUri
  device: Device
  params: Map<string, string | undefined>
  push: Binding['push']
  /** Seconds. */
  granted: number
}

function bindingOf(common: Common, wanted: WantedContact): Binding {
  const { request, options, now, aor, path } = common
  const { contact, uri, device, params, push, granted } = wanted
  const binding: Binding = {
    aor,
    contact: ownCopy(contactWithoutPush(contact.nameAddr.uri, uri)),
    device: ownCopy(device.key),
    q: readQ(params.get('q')),
    expiresAt: now + granted * 1000,
    registeredAt: now,
    callId: ownCopy(request.callId),
    cseq: request.cseq?.number ?? 0,
    path: path.map(ownCopy),
    received: receivedFlow(common, uri),
    parameters: ownCopy(headerParameters(contact.nameAddr.rawParams)),
  }
  if (device.instance !== undefined) binding.instance = ownCopy(device.instance)
  if (device.regId !== undefined) binding.regId = device.regId
  if (push) binding.push = { provider: ownCopy(push.provider), prid: ownCopy(push.prid), param: ownCopy(push.param) }
  const refreshAt = push
    ? firstRefresh({ aor, device: device.key, wakesItself: params.has(WAKES_ITSELF) }, granted, now, options)
    : undefined
  if (refreshAt !== undefined) binding.refresh = { at: refreshAt, tries: 0 }
  const userAgent = request.header('user-agent')
  if (userAgent) binding.userAgent = ownCopy(userAgent.slice(0, MAX_USER_AGENT))
  return binding
}

/** A part of a string keeps the whole alive: without this each binding would hold the message it came in. */
function ownCopy(text: string): string {
  return Buffer.from(text).toString()
}

function receivedFlow(common: Common, uri: SipUri): ReceivedFlow {
  const { flow, request, path, options } = common
  const { transport, address, port } = flow.listener
  return {
    transport: flow.transport,
    address: flow.remoteAddress,
    port: flow.remotePort,
    listener: `${transport}:${address}:${port}`,
    connection: flow.connection,
    gateway: options.gateway,
    nat: request.via !== undefined && isReachedByFlow(uri, request.via, flow, path.length > 0),
  }
}

/** Of two contacts of one device in one request the later counts. */
function putIn(plan: RegisterPlan, binding: Binding): void {
  const others = plan.change.put.filter((other) => other.device !== binding.device)
  plan.change.put = [...others, binding]
}

function takeOut(plan: RegisterPlan, contact: string, device: Device, keepUntil: number | undefined): void {
  const { remove } = plan.change
  if (remove === '*') return
  remove.push({
    contact,
    device: device.key,
    ...(device.instance === undefined ? {} : { instance: device.instance }),
    ...(keepUntil === undefined ? {} : { keepUntil }),
  })
}

function emptyPlan(common: Common): RegisterPlan {
  const { request, options, now, aor, path } = common
  const { maxContacts } = options
  const cseq = request.cseq?.number ?? 0
  const change: RegisterChange = { aor, callId: request.callId, cseq, now, put: [], remove: [], maxContacts }
  return { change, written: new Map(), featureCaps: [], path }
}

function refuse(status: number, reason: string, ...headers: [string, string][]): { refuse: Refusal } {
  return { refuse: { status, reason, headers } }
}
