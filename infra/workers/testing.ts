/** What tests need of wrangler, from this package's own node_modules. */
export { createTestHarness } from 'wrangler'
