import { describe } from 'node:test'
import { contractSuite, dispatched } from '../contract-suite/suite.ts'

describe('functions invoked in process', () => contractSuite(dispatched))
