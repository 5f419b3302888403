/** Rouse for route developers: `import { SipRouter } from 'rouse'`. */
export type { Action, Answer, HeaderEdits } from '../contract/actions.ts'
export type { Duration } from '../contract/duration.ts'
export type { Branch, Contact, Credentials, Invocation, Manifest } from '../contract/envelope.ts'
export type { Attributes, Filter } from '../contract/events.ts'
export { createSigner, type SignatureHeaders, type SignedMessage, type Signer } from '../contract/sign.ts'
export {
  annotate,
  type CancelOptions,
  type ChallengeOptions,
  cancel,
  type ForkOptions,
  type FromEvent,
  fork,
  fromEvent,
  type HangupOptions,
  halt,
  hangup,
  type PushOptions,
  publish,
  push,
  type ReactionAction,
  type ReplyOptions,
  remove,
  reply,
  type SaveOptions,
  type SendOptions,
  send,
  type TargetLike,
  type Targets,
  unsubscribe,
} from './actions.ts'
export type { Address } from './address.ts'
export type { AuthenticateOptions, Password } from './authenticate.ts'
export type {
  Authorization,
  AuthorizeOptions,
  CacheOptions,
  Call,
  RingOptions,
  RingOutcome,
  SubscribeOptions,
  WaitCondition,
} from './call.ts'
export type { CallEvent } from './event.ts'
export type { Asked, Reply } from './http.ts'
export { SipRouter } from './router.ts'
export type {
  BranchHandler,
  CancelHandler,
  DispatchOptions,
  DispatchResult,
  EventHandler,
  ParamsOf,
  RouteHandler,
  RouteOptions,
  RouterTypes,
  SipRouterOptions,
} from './router-types.ts'
