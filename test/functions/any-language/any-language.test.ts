import { describe } from 'node:test'
import { fileURLToPath } from 'node:url'
import { absent } from '../../peers.ts'
import { served } from './served.ts'
import { anyLanguageSuite } from './suite.ts'

const path = (file: string) => fileURLToPath(new URL(file, import.meta.url))
const ENTRY = path('../../../functions/entry/node.ts')
const PYTHON = path('../../../functions/examples/python/handler.py')

describe('a function in Python, without a library', { skip: absent('python3') }, () => {
  anyLanguageSuite((env) => served('python3', [PYTHON], env))
})

describe('a function with the SDK', () => {
  anyLanguageSuite((env) => served(process.execPath, [ENTRY, path('app.ts')], env))
})
