/** SIP's URIs. Functions spell an address of record as the router does, so the code is theirs, too. */
export * from '../../functions/contract/uri/uri.ts'
