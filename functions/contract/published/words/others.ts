/** What the fields of pushes and problems mean. */
export const OTHER_WORDS: Readonly<Record<string, string>> = {
  'Problem': 'Problem details (RFC 9457), as `application/problem+json`.',
  'Problem.type': 'A URN of the code.',
  'Problem.title': 'The code.',
  'Problem.status': 'The HTTP status.',
  'Problem.detail': 'What is wrong and what to do about it, for people and logs; no secrets. 500 characters are kept.',
  'Problem.pointer': 'JSON pointer (RFC 6901) to the fault, where a JSON body has one.',
  'PushMessage': 'One push to one device (RFC 8599): what is POSTed to a push function.',
  'PushMessage.id': 'The idempotency key, also in the header `webhook-id`.',
  'PushMessage.aor': 'Whose device it is.',
  'PushMessage.device': 'Which device of the AOR, as the location service names it; never a token.',
  'PushMessage.provider': '`pn-provider` of the Contact.',
  'PushMessage.prid': "`pn-prid`: the device's secret. To the provider and nowhere else, least of all into a log.",
  'PushMessage.param': '`pn-param`; empty when there was none. As secret as `prid`.',
  'PushMessage.purpose':
    'What it is for. `call`: an INVITE waits for the device. `cancel`: it does not any more. `refresh`: the binding is to be refreshed. `request`: another request waits for it.',
  'PushMessage.reason': 'Why a call waits no more; only with `cancel`.',
  'PushMessage.call': 'The call or request the device is woken for; absent for a push that asks for a refresh.',
  'PushMessage.call.id':
    'Names it to the device and says nothing else: the request that rings there has it as `Push-Call-ID`.',
  'PushMessage.call.from': 'URI of the caller.',
  'PushMessage.call.to': 'The Request-URI.',
  'PushMessage.call.displayName': 'Display name of the caller.',
  'PushMessage.ttlSeconds': 'How long the push is worth delivering.',
  'PushMessage.data': 'What the handler adds to the payload.',
  'PushResult': 'What became of a push.',
  'PushResult.outcome':
    '`accepted` by the provider; `failed`; `token_invalid`: the device is gone, no further push will reach it; `unsupported`: the provider has no push for that purpose to that device.',
  'PushResult.error': 'What went wrong, for people and logs: no token in it.',
  'PushResult.retryAfterSeconds':
    'Of what failed: seconds after which it may be tried again; 0: when the sender likes. Absent: trying again is of no use.',
}
