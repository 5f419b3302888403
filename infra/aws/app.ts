import { App } from 'aws-cdk-lib'
import { bundleFunctions, bundlePlatformApplication } from './bundle.ts'
import { readSettings } from './settings.ts'
import { RouseStack } from './stack.ts'

/** `cdk synth`, `cdk deploy`: settings are context, `-c domains=example.com`. */

const app = new App()
const settings = readSettings((name) => app.node.tryGetContext(name))
if (!settings.ok) {
  for (const sentence of settings.problem) process.stderr.write(`rouse: ${sentence}\n`)
  process.exit(1)
}
new RouseStack(app, settings.value.name, {
  ...settings.value,
  bundles: {
    functions: settings.value.functionsBundle ?? bundleFunctions(),
    platformApplication: bundlePlatformApplication(),
  },
})
