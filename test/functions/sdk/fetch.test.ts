import { describe } from 'node:test'
import { contractSuite, fetched } from '../contract-suite/suite.ts'

describe('functions invoked over HTTP', () => contractSuite(fetched))
