/** The functions as a Worker: an app is one as it is. */
export { default } from '../functions/app.ts'
