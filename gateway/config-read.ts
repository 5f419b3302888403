/** How settings are read: as the push function reads its own. */
export { type Fault as ConfigFault, type Read, Reader } from '../functions/contract/settings.ts'
