import type { Config } from './config.ts'
import type { Integration, IntegrationParts } from './integration/integration.ts'

/** One integration for each setting that is there, in the order in which they start. */
export function openIntegrations(_settings: Config, _parts: IntegrationParts): Integration[] {
  return []
}
