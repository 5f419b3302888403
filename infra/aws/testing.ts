/** What tests of the stack need of CDK, from this package's own node_modules. */
export { App } from 'aws-cdk-lib'
export { Annotations, Match, Template } from 'aws-cdk-lib/assertions'
