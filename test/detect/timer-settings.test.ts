/** The order of timers, where they are read, and what follows from the pair that stands wrong. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { conflicts, type TimerSetting, timerOf } from '../../src/detect/timer-settings.ts'
import { judgeLogged } from '../kit/logged.ts'
import { proxyCloses, usedAgain } from '../rules/idle-stories.ts'

const timer = (
  layer: TimerSetting['layer'],
  seconds: number,
  name = 't',
  kind: TimerSetting['kind'] = 'idle',
): TimerSetting => ({
  layer,
  product: layer,
  name,
  seconds,
  kind,
  where: `${layer}.conf:1`,
})
const pairs = (...s: TimerSetting[]): string[] =>
  conflicts(s).map((c) => `${c.outer.layer} ${c.outer.name} > ${c.inner.layer}`)

describe('pool < proxy < load balancer < server', () => {
  it('in order: nothing', () => {
    expect(pairs(timer('pool', 50), timer('proxy', 60), timer('load balancer', 350), timer('server', 28_800))).toEqual(
      [],
    )
  })

  it('every pair that is not', () => {
    expect(pairs(timer('pool', 600), timer('proxy', 60), timer('server', 300))).toEqual([
      'pool t > proxy',
      'pool t > server',
    ])
    expect(pairs(timer('pool', 10), timer('proxy', 600), timer('server', 300))).toEqual(['proxy t > server'])
  })

  it('equal is not below', () => {
    expect(pairs(timer('pool', 60), timer('proxy', 60))).toEqual(['pool t > proxy'])
  })

  it('of a pool the shortest of its timers counts', () => {
    expect(
      pairs(timer('pool', 1800, 'maxLifetime', 'age'), timer('pool', 30, 'keepaliveTime', 'check'), timer('proxy', 60)),
    ).toEqual([])
  })
})

describe('settings by product', () => {
  it.each([
    ['HikariCP', 'maxLifetime', 1_800_000, 1800],
    ['ProxySQL', 'mysql-wait_timeout', 28_800_000, 28_800],
    ['HAProxy', 'timeout client', 60, 60],
    ['MySQL', 'wait_timeout', 300, 300],
  ])('%s %s', (product, name, value, seconds) => {
    expect(timerOf(product, name, value, 'x:1')?.seconds).toBe(seconds)
  })

  it('0 is off; what is no timer is none', () => {
    expect(timerOf('HikariCP', 'keepaliveTime', 0, 'x:1')).toBeNull()
    expect(timerOf('HikariCP', 'maximumPoolSize', 10, 'x:1')).toBeNull()
    expect(timerOf('Oracle', 'wait_timeout', 10, 'x:1')).toBeNull()
  })
})

describe('--config', () => {
  const cfg = [
    'defaults',
    '  mode tcp',
    '  timeout connect 3s',
    '  timeout client 10s',
    '  timeout server 10s',
    'frontend mysql_front',
    '  bind :3306',
    '  default_backend mysql_back',
    'backend mysql_back',
    '  server db1 10.0.0.2:3306',
    '',
  ].join('\n')

  it('the timer that ran out is the one that is set: confirmed with its line, and the pool is compared with it', async () => {
    const { front, back } = proxyCloses('10s')
    usedAgain(front, '3s')
    const dir = mkdtempSync(join(tmpdir(), 'mysqlconn-config-'))
    try {
      writeFileSync(join(dir, 'haproxy.cfg'), cfg)
      const j = await judgeLogged(
        [front, back],
        { 'hikari.log': [config('maxLifetime', 1_800_000)] },
        { configs: [join(dir, 'haproxy.cfg')] },
      )
      const f = j.only('idle-timeout-proxy')
      const measures = f.occurrences[0]!.evidence.flatMap((e) =>
        e.kind === 'measure' ? [`${e.name} ${e.value} ${e.compared}`] : [],
      )
      expect(measures).toContain('HAProxy timeout client 10 haproxy.cfg:4')
      expect(j.report.timers?.conflicts.map((c) => c.says)).toEqual([
        'HikariCP maxLifetime 30 min 0 s (hikari.log:1) is not below HAProxy timeout client 10.0 s (haproxy.cfg:4, observed)',
        'HikariCP maxLifetime 30 min 0 s (hikari.log:1) is not below HAProxy timeout server 10.0 s (haproxy.cfg:5)',
      ])
    } finally {
      rmSync(dir, { recursive: true })
    }
  })
})

const config = (name: string, value: number): string =>
  `2025-12-31 23:59:00.000 [main] DEBUG com.zaxxer.hikari.HikariConfig - ${name}${'.'.repeat(32 - name.length)}${value}`

describe('HikariCP’s printed configuration against the timer that ran out', () => {
  const story = () => {
    const { front, back } = proxyCloses('10s')
    usedAgain(front, '3s')
    return [front, back]
  }

  it('the pair is named, in the report and first among the remedies', async () => {
    const j = await judgeLogged(story(), {
      'hikari.log': [config('idleTimeout', 600_000), config('maxLifetime', 1_800_000)],
    })
    const { timers } = j.report
    expect(timers?.settings.map((t) => [t.layer, t.name, t.seconds, t.where])).toEqual([
      ['pool', 'idleTimeout', 600, 'hikari.log:1'],
      ['pool', 'maxLifetime', 1800, 'hikari.log:2'],
      ['proxy', 'idle timer', expect.closeTo(10, 1), 'observed'],
    ])
    expect(timers?.conflicts.map((c) => c.says)).toEqual([
      expect.stringMatching(/^HikariCP idleTimeout 10 min 0 s \(hikari\.log:1\) is not below .*10\.0 s \(observed\)$/),
    ])
    expect(j.only('idle-timeout-proxy').remedy[0]?.text).toContain('HikariCP idleTimeout')
  })

  it('HikariCP’s idleTimeout applies only to pools that may shrink', async () => {
    const fixed = [
      config('idleTimeout', 5000),
      config('minimumIdle', 10),
      config('maximumPoolSize', 10),
      config('maxLifetime', 60_000),
    ]
    const j = await judgeLogged(story(), { 'hikari.log': fixed })
    expect(j.report.timers?.conflicts.map((c) => c.says)).toEqual([expect.stringMatching(/^HikariCP maxLifetime/)])
  })

  it('a pool that lets go first: no pair', async () => {
    const j = await judgeLogged(story(), { 'hikari.log': [config('maxLifetime', 9000)] })
    expect(j.report.timers?.conflicts).toEqual([])
  })

  it('checks rarer than the timer: validation-too-late', async () => {
    const j = await judgeLogged(story(), { 'hikari.log': [config('keepaliveTime', 30_000)] })
    const f = j.only('validation-too-late')
    expect(f).toMatchObject({
      confidence: 'likely',
      culprit: { role: 'client', address: '10.0.0.1', product: 'HikariCP' },
      detail: { periodSeconds: 30 },
    })
    expect(f.occurrences.map((o) => o.client)).toEqual(['10.0.0.1:40000'])
  })

  it('checks more frequent than the timer are not blamed', async () => {
    const j = await judgeLogged(story(), { 'hikari.log': [config('keepaliveTime', 5000)] })
    expect(j.of('validation-too-late')).toEqual([])
  })
})
