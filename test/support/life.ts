import type { Clock } from '../../functions/contract/clock.ts'
import type { Store, SuspendedTransaction } from '../../functions/store/store.ts'
import type { Connect } from '../../gateway/cgrates/tcp-rpc.ts'
import type { FunctionHost } from '../../gateway/invocation/host.ts'
import type { Sockets } from '../../gateway/media/rtpengines.ts'
import type { Sink } from '../../gateway/outbox/sink.ts'
import type { PushSender } from '../../gateway/push/types.ts'
import type { Network, Stream } from '../../gateway/transport/types.ts'

const NEVER = new Promise<never>(() => {})

/**
 * One process of a gateway as a test sees it: everything it reaches the world by. After `end` no timer of it fires and nothing it does
 * reaches anybody, as if it had been killed: no goodbye, and what it had asked for comes to nothing.
 */
export class Life {
  #isOver = false
  readonly #ends: (() => void)[] = []

  end(): void {
    this.#isOver = true
    for (const end of this.#ends) end()
  }

  clock(clock: Clock): Clock {
    return {
      now: () => clock.now(),
      after: (ms, action) => clock.after(ms, () => (this.#isOver ? undefined : action())),
    }
  }

  network(network: Network): Network {
    return {
      udp: async (local, events) => {
        const socket = await network.udp(local, events)
        this.#ends.push(() => socket.close())
        return { local: socket.local, close: () => socket.close(), send: this.#ifAlive(socket, 'send') }
      },
      listen: async (local, accept) => {
        const server = await network.listen(local, (stream) => accept(this.#mortal(stream)))
        this.#ends.push(() => server.close())
        return server
      },
      connect: (remote, localAddress, events) => this.#mortal(network.connect(remote, localAddress, events)),
    }
  }

  /** Connections to another system than phones. */
  connect(connect: Connect): Connect {
    return (events) => {
      const alive =
        <Args extends unknown[]>(tell: (...args: Args) => void) =>
        (...args: Args) =>
          this.#isOver ? undefined : tell(...args)
      const { opened, received, closed } = events
      const wire = connect({ opened: alive(opened), received: alive(received), closed: alive(closed) })
      this.#ends.push(() => wire.destroy())
      return wire
    }
  }

  #mortal<Kind extends Stream>(stream: Kind): Kind {
    this.#ends.push(() => stream.destroy())
    return stream
  }

  store(store: Store): Store {
    return new Proxy(store, {
      get: (_, name: keyof Store) => (name === 'inbox' ? this.#inbox(store) : this.#ifAlive(store, name)),
    })
  }

  #inbox(store: Store): Store['inbox'] {
    return async (gateway, receive, lost) => {
      const inbox = await store.inbox(gateway, receive, lost)
      this.#ends.push(() => void inbox.close())
      return inbox
    }
  }

  host(host: FunctionHost): FunctionHost {
    return {
      ...(host.isInProcess && { isInProcess: host.isInProcess }),
      manifest: () => host.manifest(),
      invoke: this.#ifAlive(host, 'invoke'),
      close: () => host.close(),
    }
  }

  push(push: PushSender): PushSender {
    return { send: this.#ifAlive(push, 'send') }
  }

  /** How it reaches receivers of deliveries. */
  sink(sink: Sink): Sink {
    const deliver = this.#ifAlive(sink, 'deliver')
    return {
      kind: sink.kind,
      // What comes back when it has ended is heard by nobody.
      deliver: async (delivery) => {
        const outcome = await deliver(delivery)
        return this.#isOver ? NEVER : outcome
      },
      ...(sink.whenBack && { whenBack: this.#ifAlive(sink, 'whenBack') }),
    }
  }

  /** How it reaches its rtpengines. */
  sockets({ openLink, openEar }: Sockets): Sockets {
    return {
      openLink: (host, port, events) => {
        const link = openLink(host, port, events)
        this.#ends.push(() => link.close())
        return link
      },
      openEar: async (host, port, receive) => {
        const ear = await openEar(host, port, receive)
        this.#ends.push(() => ear.close())
        return ear
      },
    }
  }

  #ifAlive<Whose extends object, Name extends keyof Whose>(whose: Whose, name: Name): Whose[Name] {
    const act = (...args: unknown[]) =>
      this.#isOver ? NEVER : (whose[name] as (...args: unknown[]) => unknown).call(whose, ...args)
    return act as Whose[Name]
  }
}

/** What a store elsewhere keeps: the text of each record as it was when it was written. */
export function serialized(store: Store, seen: (what: 'suspend' | 'resume' | 'release') => void): Store {
  const suspend: Store['suspend'] = (step) => {
    seen('suspend')
    return store.suspend(written(step))
  }
  const resume: Store['resume'] = (step) => {
    seen('resume')
    return store.resume(written(step))
  }
  const release: Store['release'] = (...args) => {
    seen('release')
    return store.release(...args)
  }
  const own: Partial<Store> = { suspend, resume, release }
  return new Proxy(store, {
    get: (_, name: keyof Store) => own[name] ?? (store[name] as (...args: unknown[]) => unknown).bind(store),
  })
}

function written<Step extends { transaction: SuspendedTransaction }>(step: Step): Step {
  const { id, gateway, rev, callId, expiresAt, state } = step.transaction
  return JSON.parse(JSON.stringify({ ...step, transaction: { id, gateway, rev, callId, expiresAt, state } }))
}
