/** One behaviour of a transaction-stateful proxy and registrar that can be seen on the wire. */
export interface Case {
  /** What has to be seen, in one sentence. */
  says: string
  /** Where its tests are, their titles beginning with its id… */
  file?: string
  /** …or why it is not met; with a file, which part of it is not. */
  reason?: string
}

/** The catalogue by id: ST and CT server and client transactions, CA CANCEL, PX proxy core, FK forking, RG registrar, TC streams, DN locating. */
export const CASES: Record<string, Case> = {
  ST1: { says: 'an INVITE has its 100, without a To tag, before 200 ms have passed', file: 'server-transactions' },
  ST2: {
    says: 'a repeated INVITE gets the last provisional response and is decided once',
    file: 'server-transactions',
  },
  ST3: { says: 'one branch with two sent-bys makes two transactions', file: 'server-transactions' },
  ST4: { says: 'CANCEL and ACK belong to the INVITE of their branch', file: 'server-transactions' },
  ST5: { says: 'an unacknowledged failure is resent over UDP on timer G until timer H', file: 'server-transactions' },
  ST6: { says: 'over TCP it is sent once and still given up after 64*T1', file: 'server-transactions' },
  ST7: { says: 'the ACK to a failure ends at this hop, as do its repeats for T4', file: 'server-transactions' },
  ST8: { says: 'the ACK to a 2xx goes on along its routes without a transaction', file: 'server-transactions' },
  ST9: { says: 'an INVITE repeated after its 2xx is absorbed for 64*T1', file: 'server-transactions' },
  ST10: { says: 'a second 2xx of a fork further on goes to the caller', file: 'server-transactions' },
  ST11: { says: 'every repeat of a 2xx is sent on for 64*T1', file: 'server-transactions' },
  ST12: { says: 'a repeated non-INVITE gets its final response again', file: 'server-transactions' },
  ST13: { says: 'a non-INVITE gets no 100 and no 408', file: 'server-transactions' },
  ST14: { says: 'requests without a branch worth the name are matched as in RFC 2543', file: 'server-transactions' },
  ST15: {
    says: 'a merged request is forwarded by a proxy and refused by a server',
    file: 'server-transactions',
    reason:
      'as a server this router only answers REGISTER, which the order of CSeq protects (500, not 482), and OPTIONS, which changes nothing',
  },
  ST16: {
    says: 'a final response that cannot be sent ends its transaction and nothing else',
    file: 'server-transactions',
  },

  CT1: {
    says: 'an INVITE to a silent UDP target is repeated on timer A and given up on timer B',
    file: 'client-transactions',
  },
  CT2: { says: 'over TCP it is sent once and given up at the same time', file: 'client-transactions' },
  CT3: { says: 'a non-INVITE is repeated up to every T2 and given up on timer F', file: 'client-transactions' },
  CT4: { says: 'after a provisional response it is repeated every T2', file: 'client-transactions' },
  CT5: { says: 'Timer C bounds how long a branch may ring', file: 'client-transactions' },
  CT6: { says: 'a failure is acknowledged hop by hop, again for each repeat', file: 'client-transactions' },
  CT7: {
    says: 'a refused target fails at once and the next is tried',
    file: 'client-transactions',
  },
  CT8: { says: 'branches are unguessable and never used twice', file: 'client-transactions' },
  CT9: { says: 'a response to another method is dropped', file: 'client-transactions' },
  CT10: { says: 'a response to another sent-by is dropped', file: 'client-transactions' },
  CT11: { says: 'a response to an unknown branch is dropped and counted', file: 'client-transactions' },
  CT12: { says: 'a response without a second Via is never sent on', file: 'client-transactions' },
  CT13: { says: 'a response from another address is taken, and counted', file: 'client-transactions' },
  CT14: {
    says: 'after a final response only a 2xx still counts',
    file: 'client-transactions',
    reason:
      'a 2xx that comes when the caller has its failure already is not sent on: it could do nothing with it, so the phone gets ACK and BYE',
  },

  CA1: { says: 'CANCEL: 200 at once, every ringing branch cancelled, 487 when they have ended', file: 'cancel' },
  CA2: {
    says: 'a branch that has said nothing gets its CANCEL with its first provisional response',
    file: 'cancel',
    reason: 'such a branch does not hold up the 487: the caller has hung up and need not wait for a phone that is off',
  },
  CA3: { says: 'a CANCEL that crosses a 200 does not lose the call', file: 'cancel' },
  CA4: { says: 'a CANCEL of nothing gets 481', file: 'cancel' },
  CA5: { says: 'a branch that ignores its CANCEL is given up after 64*T1', file: 'cancel' },
  CA6: { says: 'the Reason of a CANCEL is handed on, and losers of a fork get one', file: 'cancel' },
  CA7: { says: 'a suspended call that is cancelled is over at once, and no event wakes it', file: 'cancel' },
  CA8: { says: 'a CANCEL of a non-INVITE is answered and does nothing', file: 'cancel' },

  PX1: { says: 'Max-Forwards is counted down, added, and refused at 0', file: 'proxy-core' },
  PX2: { says: 'a loop is found', file: 'proxy-core' },
  PX3: { says: 'a spiral is none', file: 'proxy-core' },
  PX4: { says: 'forks of forks are bounded by Max-Breadth', file: 'proxy-core' },
  PX5: { says: 'an unknown Proxy-Require is refused', file: 'proxy-core' },
  PX6: { says: 'an unknown scheme is refused', file: 'proxy-core' },
  PX7: { says: 'our own Route is removed and the next one decides', file: 'proxy-core' },
  PX8: { says: 'what a strict router upstream did is undone', file: 'proxy-core' },
  PX9: { says: 'a strict router downstream gets what it expects', file: 'proxy-core' },
  PX10: { says: 'requests that form dialogs are record-routed, twice where the transport changes', file: 'proxy-core' },
  PX11: { says: 'unknown methods pass', file: 'proxy-core' },
  PX12: { says: 'what is not the proxy’s passes octet by octet', file: 'proxy-core' },
  PX13: { says: 'rport and received are filled in and followed', file: 'proxy-core' },
  PX14: { says: 'without rport the port of the sent-by is followed', file: 'proxy-core' },
  PX15: { says: 'maddr is followed', file: 'proxy-core' },
  PX16: { says: 'a response whose connection is gone takes a new one', file: 'proxy-core' },
  PX17: {
    says: 'a request too large for a datagram is tried over TCP first',
    reason:
      'not by default, as in most proxies: phones that register over UDP seldom listen on TCP, and the try would cost each such call its connect time; a target that says transport=tcp is reached over TCP',
  },
  PX18: { says: 'in-dialog requests follow their routes and are never looked up', file: 'proxy-core' },
  PX19: { says: 'the ACK of a 2xx follows its routes without a transaction', file: 'proxy-core' },
  PX20: { says: 'the router itself answers OPTIONS', file: 'proxy-core' },
  PX21: { says: 'a body of any octets passes', file: 'proxy-core' },

  FK1: { says: 'the first to answer has the call', file: 'forking' },
  FK2: { says: 'every 2xx goes to the caller', file: 'forking' },
  FK3: { says: 'of several failures the best one is sent', file: 'forking' },
  FK4: { says: 'challenges are collected', file: 'forking' },
  FK5: { says: 'a 6xx ends the others', file: 'forking' },
  FK6: { says: 'a 503 is not handed on', file: 'forking' },
  FK7: { says: 'silence everywhere is 408', file: 'forking' },
  FK8: { says: 'q orders the groups', file: 'forking' },
  FK9: {
    says: 'a proxy that recurses tries the contacts of a 3xx once each',
    reason:
      'the proxy does not recurse by itself: a redirection is the caller’s, or the function’s by onFailed, whose branch has the status and no contacts yet',
  },
  FK10: { says: 'a late target joins the ringing call', file: 'forking' },
  FK11: { says: 'after the final response none does', file: 'forking' },
  FK12: { says: 'provisional responses keep their To tags', file: 'forking' },
  FK13: { says: 'a contact is tried once', file: 'forking' },
  FK14: { says: 'a branch may come back and fork', file: 'forking' },

  RG1: { says: 'bindings are added, refreshed, fetched, removed, and expire', file: 'registrar' },
  RG2: { says: 'a star has to come alone and with Expires: 0', file: 'registrar' },
  RG3: { says: 'what is out of order changes nothing', file: 'registrar' },
  RG4: { says: 'too brief an interval is refused', file: 'registrar' },
  RG5: { says: 'Path is kept and used', file: 'registrar' },
  RG6: {
    says: 'one binding for each instance and reg-id',
    file: 'registrar',
    reason:
      'there are no flow tokens to check: bindings of a connection are reached through the gateway that holds it, and this version has one',
  },
  RG7: { says: 'too much is refused as a whole', file: 'registrar' },
  RG8: {
    says: 'push parameters are kept, and the service announced',
    file: 'registrar',
    reason: 'a push before the binding expires is not sent yet',
  },
  RG9: { says: 'a repeated REGISTER is one change', file: 'registrar' },
  RG10: { says: 'two REGISTERs at once are both kept', file: 'registrar' },

  TC1: { says: 'a message in pieces is one message', file: 'streams' },
  TC2: { says: 'many messages in one write are many messages', file: 'streams' },
  TC3: { says: 'keep-alives are answered', file: 'streams' },
  TC4: { says: 'a length that cannot be trusted ends the connection', file: 'streams' },
  TC5: { says: 'endless headers end the connection', file: 'streams' },
  TC6: { says: 'a message that drips ends the connection', file: 'streams' },
  TC7: { says: 'a peer that does not read is dropped', file: 'streams' },
  TC8: { says: 'responses take the connection of their request, and no alias is believed', file: 'streams' },
  TC9: { says: 'a WebSocket without the subprotocol sip is refused', file: 'websocket' },
  TC10: { says: 'a WebSocket message is one SIP message', file: 'websocket' },
  TC11: { says: 'TLS names and certificates are checked, and sips stays on it', file: 'tls' },

  DN1: { says: 'NAPTR, then SRV by priority and weight', file: 'locating' },
  DN2: { says: 'without NAPTR SRV for each transport, then addresses', file: 'locating' },
  DN3: { says: 'a port or an address ask for no SRV', file: 'locating' },
  DN4: { says: 'sips is never sent in the clear', file: 'locating' },
  DN5: { says: 'a dead server gives way to the next, and is avoided for a while', file: 'locating' },
  DN6: { says: 'both address families are tried', file: 'locating' },
  DN7: { says: 'a slow DNS costs one call a bounded time, and the others nothing', file: 'locating' },
}
