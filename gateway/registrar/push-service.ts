import type { SipMessage } from '../sip/message.ts'
import { parseNameAddr } from '../sip/name-addr.ts'
import type { SipUri } from '../sip/uri.ts'
import type { RegistrarOptions } from './options.ts'
import { pushParameters, pushProvider } from './push-parameters.ts'

/** Services of RFC 8599 itself: what a router that pushes through any names when it is asked which. */
const REGISTERED = ['apns', 'fcm', 'webpush']

/**
 * What is to be done about the push of one contact (RFC 8599 5.6.1):
 *
 * | `none`        | it names no service, or gives up its prid, or another proxy pushes it                            |
 * | `asked`       | it asks what there is: announced, nothing to push to                                             |
 * | `served`      | it is pushed by this router                                                                      |
 * | `unsupported` | nobody here can push it: its service is unknown, or lacks the pn-param it needs                  |
 */
export type PushDecision = 'none' | 'asked' | 'served' | 'unsupported'

export function decidePush(uri: SipUri, request: SipMessage, options: RegistrarOptions): PushDecision {
  const provider = pushProvider(uri)
  if (provider === undefined || isServedElsewhere(request, provider)) return 'none'
  if (provider === '') return 'asked'
  if (options.pushProviders !== '*' && !options.pushProviders.includes(provider)) return 'unsupported'
  const push = pushParameters(uri)
  if (!push) return 'asked'
  return push.param === '' && options.paramNeededBy.includes(provider) ? 'unsupported' : 'served'
}

/** The services that a Feature-Caps names: the one that was asked about, or all to a question for none. */
export function announcedServices(provider: string, options: RegistrarOptions): string[] {
  if (provider !== '') return isQuotable(provider) ? [provider] : []
  return options.pushProviders === '*' ? REGISTERED : [...options.pushProviders]
}

/** One Feature-Caps value: the services, and the further indicators that hold for them (RFC 8599 8.2 to 8.5). */
export function featureCap(
  services: readonly string[],
  more: { refresh?: number | undefined; purr?: string | undefined },
  options: RegistrarOptions,
): string[] {
  if (services.length === 0) return []
  const { vapidKey } = options
  const vapid = services.includes('webpush') && vapidKey !== undefined ? `;+sip.vapid="${vapidKey}"` : ''
  const refresh = more.refresh === undefined ? '' : `;+sip.pnsreg="${more.refresh}"`
  const purr = more.purr === undefined ? '' : `;+sip.pnspurr="${more.purr}"`
  return [`*;+sip.pns="${services.join(',')}"${vapid}${refresh}${purr}`]
}

/** Told to whoever asked for what there is not (RFC 8599 5.6.1.1). */
export function allServices(options: RegistrarOptions): [string, string][] {
  return featureCap(announcedServices('', options), {}, options).map((value) => ['Feature-Caps', value])
}

/** A proxy on the way has said that it pushes: then nobody else may. */
function isServedElsewhere(request: SipMessage, provider: string): boolean {
  return request.values('feature-caps').some((value) => {
    const start = value.indexOf(';')
    const services = start < 0 ? undefined : parseNameAddr(`<sip:*>${value.slice(start)}`)?.params.get('+sip.pns')
    if (services === undefined) return false
    return (
      provider === '' ||
      services
        .toLowerCase()
        .split(',')
        .map((one) => one.trim())
        .includes(provider.toLowerCase())
    )
  })
}

function isQuotable(text: string): boolean {
  return !text.includes('"') && !text.includes('\\')
}
