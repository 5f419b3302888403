/**
 * What AWS's runtime does for a Node function, in a process that has nothing of the project but the bundle: loads the module that
 * `_HANDLER` names, then takes one invocation after another from the Runtime API.
 * https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
 */

const { AWS_LAMBDA_RUNTIME_API, AWS_LAMBDA_FUNCTION_NAME, LAMBDA_TASK_ROOT, _HANDLER } = process.env
const api = `http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime`
const [file, name] = _HANDLER.split('.')

const post = (path, body) => fetch(`${api}${path}`, { method: 'POST', body: JSON.stringify(body) })
const told = ({ name: errorType, message: errorMessage, stack = '' }) => ({
  errorType,
  errorMessage,
  trace: stack.split('\n'),
})

let handler
try {
  handler = (await import(`file://${LAMBDA_TASK_ROOT}/${file}.mjs`))[name]
  if (typeof handler !== 'function') throw new Error(`${_HANDLER} is undefined or not exported`)
} catch (error) {
  await post('/init/error', told(error))
  throw error
}

for (;;) {
  const invoked = await fetch(`${api}/invocation/next`)
  const header = (suffix) => invoked.headers.get(`lambda-runtime-${suffix}`)
  const id = header('aws-request-id')
  const deadline = Number(header('deadline-ms'))
  const context = {
    awsRequestId: id,
    functionName: AWS_LAMBDA_FUNCTION_NAME,
    invokedFunctionArn: header('invoked-function-arn'),
    getRemainingTimeInMillis: () => deadline - Date.now(),
  }
  try {
    await post(`/invocation/${id}/response`, await handler(await invoked.json(), context))
  } catch (error) {
    await post(`/invocation/${id}/error`, told(error))
  }
}
