import { parseContacts } from '../../sip/contact.ts'
import type { SipMessage } from '../../sip/message.ts'
import { parseUri } from '../../sip/uri.ts'
import type { Address } from '../../transport/types.ts'

/** Names for the ends of a ladder's arrows: the user a phone stands for, numbered when that user has several. */
export class Names {
  readonly #byAddress = new Map<string, string>()
  readonly #byDevice = new Map<string, string>()
  readonly #taken = new Set<string>()

  /** Who has sent a message. */
  ofSender(message: SipMessage, from: Address): string {
    const address = key(from)
    if (message.isRequest && message.method === 'REGISTER') return this.#registered(message, address)
    return this.#byAddress.get(address) ?? this.#learn(address, message.isRequest ? message.from?.uri : undefined)
  }

  /** Whom a message is sent to. */
  ofReceiver(message: SipMessage, to: Address): string {
    const address = key(to)
    return this.#byAddress.get(address) ?? this.#learn(address, message.isRequest ? message.uri : undefined)
  }

  /** A device keeps its name when it comes back from another port. */
  #registered(register: SipMessage, address: string): string {
    const read = parseContacts(register)
    const instance = read.ok ? read.contacts[0]?.nameAddr.params.get('+sip.instance') : undefined
    const known = instance === undefined ? this.#byAddress.get(address) : this.#byDevice.get(instance)
    const name = known ?? this.#newName(register.to?.uri)
    if (instance !== undefined) this.#byDevice.set(instance, name)
    this.#byAddress.set(address, name)
    return name
  }

  #learn(address: string, uri: string | undefined): string {
    if (uri === undefined) return address
    const name = this.#newName(uri)
    this.#byAddress.set(address, name)
    return name
  }

  #newName(uri: string | undefined): string {
    const user = parseUri(uri ?? '')?.user || 'somebody'
    let name = user
    for (let number = 2; this.#taken.has(name); number++) name = `${user}/${number}`
    this.#taken.add(name)
    return name
  }
}

function key({ address, port }: Address): string {
  return `${address}:${port}`
}
