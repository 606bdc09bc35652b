/** Reports made with logs: they fit the schema, lose their literals on request, and read well as text. */
import { expect, it } from 'vitest'
import { renderAround } from '../../src/report/around-text.ts'
import { renderNdjson } from '../../src/report/ndjson.ts'
import { REPORT_JSON_SCHEMA } from '../../src/report/schema.ts'
import { makeStyle } from '../../src/report/style.ts'
import { renderText } from '../../src/report/text.ts'
import { schemaErrors } from '../kit/json-schema.ts'
import { judgeLogged } from '../kit/logged.ts'
import { proxyCloses, usedAgain } from '../rules/idle-stories.ts'

const tcplog =
  'haproxy[731]: 10.0.0.1:40000 [01/Jan/2026:00:00:00.000] mysql_front mysql_back/db1 1/0/10003 171 cD 1/1/0/0/0 0/0'
const pool = [
  '2025-12-31 23:59:00.000 [main] DEBUG com.zaxxer.hikari.HikariConfig - maxLifetime.....................1800000',
]
const app = [
  '2026-01-01 00:00:00,005 INFO [app] a connected to 10.0.0.5:3306 thread_id=900 local=10.0.0.1:40000',
  "2026-01-01 00:00:13,100 ERROR [app] query failed id=900 local=10.0.0.1:40000 after=0.000s sql=SELECT name FROM user WHERE id=998877 AND pin='s3cret': OperationalError(2013, 'Lost connection to MySQL server during query')",
]
const logs = { 'haproxy.log': [tcplog], 'hikari.log': pool, 'app.log': app }
const style = makeStyle({ color: 'never', env: { LC_ALL: 'C.UTF-8' } })
const plays = () => {
  const { front, back } = proxyCloses('10s')
  usedAgain(front, '3s')
  return [front, back]
}

it.each([true, false])('fits the schema, with packets %s', async (packets) => {
  const j = await judgeLogged(packets ? plays() : [], logs, { around: 'idle-timeout-proxy' })
  expect(j.report.timers).toBeDefined()
  expect(schemaErrors(JSON.parse(JSON.stringify(j.report)), REPORT_JSON_SCHEMA)).toEqual([])
  const types = new Set([...renderNdjson(j.report)].map((l) => (JSON.parse(l) as { type: string }).type))
  for (const type of ['timer', 'timer-conflict', 'around', 'around-event']) expect(types).toContain(type)
})

it.each([true, false])(
  '--redact leaves no literal of a statement that a log quotes, with packets %s',
  async (packets) => {
    const options = { around: 'idle-timeout-proxy', ...(packets ? { trace: 'play.pcap:0' } : {}) }
    const dirty = await judgeLogged(packets ? plays() : [], logs, options)
    expect(JSON.stringify(dirty.report)).toContain('998877')
    const clean = JSON.stringify((await judgeLogged(packets ? plays() : [], logs, { ...options, redact: true })).report)
    expect(clean).not.toContain('998877')
    expect(clean).not.toContain('s3cret')
    expect(clean).toContain('cD')
  },
)

it('the first screen of logs alone: who, where, what to capture, and no session that is not there', async () => {
  const j = await judgeLogged([], logs)
  const text = [...renderText(j.report, style)].join('\n')
  expect(text).toMatch(/1 cause, 1 connection in the logs broke, 1 query lost/)
  expect(text).toMatch(/✖ HAProxy 10\.0\.0\.5 closed a connection for being idle/)
  expect(text.replace(/\s+/g, ' ')).toContain('haproxy.log:1, client 10.0.0.1:40000, server 10.0.0.5:3306')
  expect(text).toContain('safe to retry')
  expect(text.replace(/\s+/g, ' ')).toContain("tcpdump -i any -s 0 -B 65536 -w mysql.pcap 'tcp port 3306'")
  expect(text).toContain('mysqlconn analyze --around idle-timeout-proxy:')
  expect(text).not.toContain('sessions show')
  expect(text).toContain('is not below HAProxy')
})

it('the seconds around it: every source, in order, the log’s own text', async () => {
  const j = await judgeLogged(plays(), logs, { around: 'idle-timeout-proxy' })
  const text = [...renderAround(j.report, style)].join('\n')
  const offsets = (j.report.around?.events ?? []).map((e) => e.offsetSeconds)
  expect(offsets).toEqual([...offsets].sort((a, b) => a - b))
  expect(text).toMatch(/haproxy\.log:1 .*10\.0\.0\.1:40000/)
  expect(text).toMatch(/play\.pcap:\d+ .*FIN/)
})

it('a finding that is not there is a wrong use, with those that are', async () => {
  await expect(judgeLogged(plays(), logs, { around: 'server-crash' })).rejects.toThrow(/no finding server-crash/)
})
