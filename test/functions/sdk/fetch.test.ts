import { describe } from 'node:test'
import { contractSuite } from '../contract-suite.ts'
import { byFetch } from '../session.ts'

describe('functions invoked over HTTP', () => contractSuite(byFetch))
