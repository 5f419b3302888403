#!/usr/bin/env node
import { existsSync } from 'node:fs'

// JavaScript that every Node.js can read: what is too old for the rest of Rouse has to be told so.
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(
    `rouse: expected Node.js 22.19 or newer, which runs TypeScript as it is, got ${process.version}; ` +
      'install it, or bring it along in your project: npm install --save-dev node@24\n',
  )
  process.exit(2)
}
// TypeScript in a checkout, JavaScript in the published package.
const main = new URL('./main.ts', import.meta.url)
await import(existsSync(main) ? main.href : new URL('./main.js', import.meta.url).href)
