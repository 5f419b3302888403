/** Webhooks in: `import { ingressApp } from 'rouse/ingress'`. */

export { SettingsError } from '../contract/settings.ts'
export { type IngressApp, type IngressAppOptions, ingressApp } from './app.ts'
export { Ingress, type IngressOptions } from './ingress.ts'
export type { IngressLog } from './log.ts'
export type { Mapping, Mappings } from './mappings.ts'
export { readMappings } from './mappings.ts'
export { type Once, REMEMBERED_MS } from './once.ts'
export { Repeats } from './repeats.ts'
export { INGRESS_SETTINGS, type IngressSettings, ingressSettings } from './settings.ts'
export { StoredRepeats } from './stored-repeats.ts'
