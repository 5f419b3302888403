import { createServer } from 'node:http'

/** `node test/bench/bare-server.ts <octets>`: reads each request to its end and answers with JSON of so many octets, nothing else. */

const answer = JSON.stringify('x'.repeat(Number(process.argv[2]) - 2))
const headers = { 'content-type': 'application/json', 'content-length': String(answer.length) }

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    Buffer.concat(chunks)
    response.writeHead(200, headers).end(answer)
  })
})
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as { port: number }
  process.stdout.write(`listening on http://127.0.0.1:${port}\n`)
})
