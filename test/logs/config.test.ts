/** The readers of --config: names, values, seconds, inheritance; total on any text. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readConfig } from '../../src/config/index.ts'
import { yamlPairs } from '../../src/config/yaml.ts'
import { analyze } from '../../src/index.ts'
import { CAPTURES, needs } from '../kit/require.ts'

const HAPROXY = `# comment
global
    maxconn 4000
    hard-stop-after 30s
defaults tcp
    mode tcp
    timeout connect 5s
    timeout client  10s   # short
    timeout server  15000
    option dontlognull
frontend mysql_front
    bind :3306
    timeout client 8h
    default_backend mysql_back
backend mysql_back
    option srvtcpka
    no option redispatch
    server db1 10.20.0.30:3306 check inter 2s maxconn 50 on-marked-down shutdown-sessions
listen other from tcp
    bind :3307
    server db2 10.20.0.31:3306
defaults
    timeout client 1m
frontend last
    bind :3308
`
const PROXYSQL = `datadir="/var/lib/proxysql"
admin_variables={ admin_credentials="admin:hunter2"; mysql_ifaces="127.0.0.1:6032"; }
/* two
   lines */
mysql_variables=
{
  threads=1
  wait_timeout=28800000 // eight hours
  ping_interval_server_msec = 10000;
  shun_recovery_time_sec=10
  monitor_password="hunter2"
  monitor_ping_interval=8000
}
mysql_servers=( { address="10.1.0.30"; port=3306; max_connections=50; }, { address="10.1.0.31" , port=3306 } )
`
const MYCNF = `!includedir /etc/mysql/conf.d
[client]
port = 3306
password=hunter2
[mysqld]
skip-name-resolve
wait_timeout = 600   # ten minutes
interactive-timeout=28800
max_allowed_packet = 16M
max_execution_time=2000
[mariadb-10.11]
idle_transaction_timeout = 30
what is this
`
const ROUTER = `[DEFAULT]
connect_timeout=5
[routing:rw]
bind_port=6446
destinations=10.0.0.1:3306,10.0.0.2:3306
routing_strategy=first-available
client_connect_timeout=9
[connection_pool]
idle_timeout=60
`
const MAXSCALE = `[maxscale]
threads=auto
[RW-Service]
type=service
router=readwritesplit
connection_timeout=300s
net_write_timeout=10
idle_session_pool_time=500ms
password=hunter2
`
const PROPERTIES = `# pool
spring.datasource.url=jdbc:mysql://10.20.0.20:3306/shop?socketTimeout=20000&\\
   connectTimeout=3000&password=hunter2
spring.datasource.hikari.max-lifetime=1800000
spring.datasource.hikari.idleTimeout: 600000
spring.datasource.druid.time-between-eviction-runs-millis=60000
c3p0.maxIdleTime 300
spring.datasource.tomcat.removeAbandonedTimeout=60
spring.datasource.dbcp2.max-conn-lifetime-millis=5000
server.port=8080
`
const YAML = `server:
  port: 8080
spring:
  datasource:
    url: "jdbc:mariadb://10.20.0.20:3306/shop?socketTimeout=20000"
    hikari:
      maximum-pool-size: 10
      max-lifetime: 1800000  # half an hour
      keepalive-time: 120000
      password: hunter2
      data-source-properties: { a: 1 }
  other:
  - name: x
    druid:
      maxWait: 3000
text: |
  hikari: not a key
---
app.druid.minEvictableIdleTimeMillis: '300000'
`

const read = (text: string) => {
  const odd: [number, string][] = []
  const got = readConfig('f', text, (line, why) => odd.push([line, why]))
  const of = (scope: string, name: string) => {
    const s = got?.settings.findLast((x) => x.scope === scope && x.name === name)
    return s === undefined ? undefined : { line: s.line, value: s.value, seconds: s.seconds, product: s.product }
  }
  return { format: got?.format ?? null, settings: got?.settings ?? [], odd, of }
}

describe('haproxy.cfg', () => {
  const { format, of, odd } = read(HAPROXY)
  it('timers with their units, by proxy, inherited from defaults', () => {
    expect(format).toBe('haproxy')
    expect(odd).toEqual([])
    expect(of('global', 'hard-stop-after')).toMatchObject({ seconds: 30 })
    expect(of('defaults tcp', 'timeout server')).toMatchObject({ seconds: 15, line: 9 })
    expect(of('frontend mysql_front', 'timeout client')).toMatchObject({ seconds: 28_800, line: 13 })
    expect(of('frontend mysql_front', 'timeout server')).toBeUndefined()
    expect(of('backend mysql_back', 'timeout server')).toMatchObject({ seconds: 15, line: 9 })
    expect(of('backend mysql_back', 'option srvtcpka')).toMatchObject({ value: 'on' })
    expect(of('backend mysql_back', 'option redispatch')).toMatchObject({ value: 'off' })
    expect(of('backend mysql_back', 'server db1')).toMatchObject({ value: '10.20.0.30:3306' })
    expect(of('backend mysql_back', 'server db1 inter')).toMatchObject({ seconds: 2 })
    expect(of('backend mysql_back', 'server db1 on-marked-down')).toMatchObject({ value: 'shutdown-sessions' })
  })
  it('a named defaults section, and one that replaces the other', () => {
    expect(of('listen other', 'timeout client')).toMatchObject({ seconds: 10, line: 8 })
    expect(of('frontend last', 'timeout client')).toMatchObject({ seconds: 60 })
    expect(of('frontend last', 'option dontlognull')).toBeUndefined()
  })
})

describe('the others', () => {
  it('proxysql.cnf', () => {
    const { format, of, odd } = read(PROXYSQL)
    expect([format, odd]).toEqual(['proxysql', []])
    expect(of('mysql_variables', 'wait_timeout')).toEqual({
      line: 8,
      value: '28800000',
      seconds: 28_800,
      product: 'ProxySQL',
    })
    expect(of('mysql_variables', 'ping_interval_server_msec')).toMatchObject({ seconds: 10 })
    expect(of('mysql_variables', 'shun_recovery_time_sec')).toMatchObject({ seconds: 10 })
    expect(of('mysql_variables', 'monitor_ping_interval')).toMatchObject({ seconds: 8 })
    expect(of('mysql_variables', 'threads')).toMatchObject({ seconds: null })
    expect(of('mysql_servers.1', 'address')).toMatchObject({ value: '10.1.0.31' })
  })
  it('my.cnf', () => {
    const { format, of, odd } = read(MYCNF)
    expect(format).toBe('mysql')
    expect(odd).toEqual([
      [1, 'include'],
      [13, 'unreadable'],
    ])
    expect(of('mysqld', 'wait_timeout')).toMatchObject({ value: '600', seconds: 600, line: 7 })
    expect(of('mysqld', 'interactive_timeout')).toMatchObject({ seconds: 28_800 })
    expect(of('mysqld', 'max_execution_time')).toMatchObject({ seconds: 2 })
    expect(of('mysqld', 'max_allowed_packet')).toMatchObject({ value: '16M', seconds: null })
    expect(of('mysqld', 'skip_name_resolve')).toMatchObject({ value: '' })
    expect(of('mariadb-10.11', 'idle_transaction_timeout')).toMatchObject({ product: 'MariaDB', seconds: 30 })
  })
  it('mysqlrouter.conf and maxscale.cnf', () => {
    const router = read(ROUTER)
    expect(router.format).toBe('mysqlrouter')
    expect(router.of('routing:rw', 'client_connect_timeout')).toMatchObject({ seconds: 9, product: 'MySQL Router' })
    expect(router.of('connection_pool', 'idle_timeout')).toMatchObject({ seconds: 60 })
    const maxscale = read(MAXSCALE)
    expect(maxscale.format).toBe('maxscale')
    expect(maxscale.of('RW-Service', 'connection_timeout')).toMatchObject({ seconds: 300 })
    expect(maxscale.of('RW-Service', 'net_write_timeout')).toMatchObject({ seconds: 10 })
    expect(maxscale.of('RW-Service', 'idle_session_pool_time')).toMatchObject({ seconds: 0.5 })
  })
  it('properties of pools and JDBC URLs', () => {
    const { format, of, odd } = read(PROPERTIES)
    expect([format, odd]).toEqual(['properties', []])
    expect(of('spring.datasource.hikari', 'maxLifetime')).toMatchObject({ seconds: 1800, product: 'HikariCP', line: 4 })
    expect(of('spring.datasource.hikari', 'idleTimeout')).toMatchObject({ seconds: 600 })
    expect(of('spring.datasource.druid', 'timeBetweenEvictionRunsMillis')).toMatchObject({
      seconds: 60,
      product: 'Druid',
    })
    expect(of('c3p0', 'maxIdleTime')).toMatchObject({ seconds: 300, product: 'c3p0' })
    expect(of('spring.datasource.tomcat', 'removeAbandonedTimeout')).toMatchObject({ seconds: 60 })
    expect(of('spring.datasource.dbcp2', 'maxConnLifetimeMillis')).toMatchObject({ seconds: 5 })
    expect(of('10.20.0.20:3306', 'socketTimeout')).toMatchObject({ seconds: 20, product: 'Connector/J', line: 2 })
  })
  it('YAML of pools', () => {
    const { format, of, odd } = read(YAML)
    expect(format).toBe('yaml')
    expect(odd).toEqual([
      [11, 'unreadable'],
      [16, 'unreadable'],
    ])
    expect(of('spring.datasource.hikari', 'maxLifetime')).toMatchObject({ seconds: 1800, line: 8 })
    expect(of('spring.datasource.hikari', 'keepaliveTime')).toMatchObject({ seconds: 120 })
    expect(of('spring.datasource.hikari', 'maximumPoolSize')).toMatchObject({ value: '10', seconds: null })
    expect(of('10.20.0.20:3306', 'socketTimeout')).toMatchObject({ seconds: 20, product: 'MariaDB Connector/J' })
    expect(of('spring.other[0].druid', 'maxWait')).toMatchObject({ seconds: 3 })
    expect(of('app.druid', 'minEvictableIdleTimeMillis')).toMatchObject({ seconds: 300 })
  })
  it('no password gets out', () => {
    for (const text of [HAPROXY, PROXYSQL, MYCNF, ROUTER, MAXSCALE, PROPERTIES, YAML])
      expect(JSON.stringify(read(text).settings)).not.toContain('hunter2')
  })
  it('prose is none of them', () => {
    for (const text of ['', 'hello world', '# just\n# comments', '{"a":1}', 'a: 1\nb: 2'])
      expect(read(text).format).toBeNull()
  })
})

describe('any text', () => {
  it('is survived, and lines are places in it', () => {
    const pieces = fc.constantFrom(
      'defaults\n',
      ' timeout client 10s\n',
      '{',
      '}',
      '(',
      '"',
      '=',
      ';',
      '[mysqld]\n',
      'wait_timeout=1\n',
      '  - a: 1\n',
      'hikari:\n',
      '\t',
      '/*',
      'jdbc:mysql://h/d?a=b\n',
      '- - - x\n',
      "'",
      ': |\n',
    )
    fc.assert(
      fc.property(fc.array(fc.oneof(pieces, fc.string()), { maxLength: 40 }), (parts) => {
        const text = parts.join('')
        const most = text.split('\n').length
        const { settings, odd } = read(text)
        for (const s of settings) expect(s.line).toBeLessThanOrEqual(most)
        for (const [line] of odd) expect(line).toBeLessThanOrEqual(most)
        yamlPairs(text.split('\n'), () => {})
      }),
      { numRuns: 500 },
    )
  })
})

describe('--config', () => {
  it('is listed among the inputs, and names what cannot be read', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'mysqlconn-config-'))
    const log = join(dir, 'haproxy.log')
    writeFileSync(log, 'haproxy[1]: 10.0.0.1:4000 [20/Nov/2026:17:00:03.000] f b/s 0/0/10 1 cD 0/0/0/0/0 0/0\n')
    const cnf = join(dir, 'my.cnf')
    writeFileSync(cnf, MYCNF)
    const { inputs } = await analyze([log], { configs: [cnf] })
    expect(inputs[1]).toMatchObject({
      name: 'my.cnf',
      kind: 'config',
      format: 'mysql',
      anomalies: [{ kind: 'config.include' }, { kind: 'config.unreadable-line', places: ['line 13'] }],
    })
    writeFileSync(cnf, 'nothing\n')
    await expect(analyze([log], { configs: [cnf] })).rejects.toMatchObject({ code: 'E_INPUT_UNRECOGNISED' })
    await expect(analyze([log], { configs: [join(dir, 'none')] })).rejects.toMatchObject({ code: 'E_INPUT_OPEN' })
    rmSync(dir, { recursive: true })
  })
})

needs(CAPTURES)('configurations of real incidents', () => {
  it('every proxysql.cnf is read', () => {
    const files = readdirSync(join(CAPTURES, 'proxysql'), { recursive: true, encoding: 'utf8' }).filter((f) =>
      f.endsWith('proxysql.cnf'),
    )
    expect(files.length).toBeGreaterThan(10)
    for (const f of files) {
      const { format, of, odd } = read(readFileSync(join(CAPTURES, 'proxysql', f), 'utf8'))
      expect([f, format, odd]).toEqual([f, 'proxysql', []])
      expect(of('mysql_variables', 'monitor_ping_interval')).toMatchObject({ seconds: 5 })
      expect(of('mysql_servers.0', 'address')).toBeDefined()
    }
  })
})
