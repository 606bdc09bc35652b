/** `--status-port`: /healthz and Prometheus /metrics, on loopback only. */
import { createServer, type Server } from 'node:http'
import { MysqlconnError } from '../core/errors.ts'

export interface Metric {
  name: string
  type: 'counter' | 'gauge'
  help: string
  value: number
}

/** Prometheus text format 0.0.4. */
export function metricsText(metrics: readonly Metric[]): string {
  return metrics
    .map(
      (m) =>
        `# HELP mysqlconn_proxy_${m.name} ${m.help}\n# TYPE mysqlconn_proxy_${m.name} ${m.type}\nmysqlconn_proxy_${m.name} ${m.value}\n`,
    )
    .join('')
}

/** Resolves with the server and its port. `health` is served as JSON, 503 when `ok` is false. */
export async function startStatus(
  port: number,
  metrics: () => readonly Metric[],
  health: () => { ok: boolean } & Record<string, unknown>,
): Promise<{ server: Server; port: number }> {
  const server = createServer((request, response) => {
    const path = (request.url ?? '').split('?', 1)[0]
    if (request.method !== 'GET' && request.method !== 'HEAD') response.writeHead(405).end()
    else if (path === '/metrics') {
      response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(metricsText(metrics()))
    } else if (path === '/healthz') {
      const facts = health()
      response.writeHead(facts.ok ? 200 : 503, { 'content-type': 'application/json' }).end(`${JSON.stringify(facts)}\n`)
    } else response.writeHead(404).end('/healthz or /metrics\n')
  })
  server.maxConnections = 32
  server.requestTimeout = 5000
  server.headersTimeout = 5000
  server.keepAliveTimeout = 1000
  await new Promise<void>((done, failed) => {
    server.once('error', (e) =>
      failed(new MysqlconnError('E_PROXY_LISTEN', `--status-port: cannot listen on 127.0.0.1:${port}: ${e.message}`)),
    )
    server.listen(port, '127.0.0.1', () => {
      server.removeAllListeners('error')
      server.on('error', () => {})
      done()
    })
  })
  server.unref()
  const bound = server.address()
  return { server, port: typeof bound === 'object' && bound !== null ? bound.port : port }
}
