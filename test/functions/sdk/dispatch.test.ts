import { describe } from 'node:test'
import { contractSuite } from '../contract-suite.ts'
import { byDispatch } from '../session.ts'

describe('functions invoked in process', () => contractSuite(byDispatch))
