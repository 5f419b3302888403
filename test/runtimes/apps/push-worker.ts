import { pushApp } from '../../../functions/push/index.ts'

export default pushApp()
