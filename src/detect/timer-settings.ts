/**
 * Settings that decide how long a connection may live, lie idle or go unchecked, of every layer between the application and the
 * database: where they were read (a log that prints them, a configuration file), and the order in which they must stand. Whoever is
 * nearer to the application must let go first, or it hands out what the next one has already closed.
 */
import { formatDuration, NS_PER_SECOND } from '../core/time.ts'
import type { LogEvent } from '../logs/event.ts'
import type { Finding } from '../report/model.ts'

export type TimerLayer = 'pool' | 'proxy' | 'load balancer' | 'server'

export interface TimerSetting {
  layer: TimerLayer
  product: string
  /** As the product spells it. */
  name: string
  seconds: number
  /**
   * `idle`: closes or retires what was idle so long. `age`: retires what is so old, used or not. `check`: looks after what was idle so
   * long.
   */
  kind: 'idle' | 'age' | 'check'
  /** `input:line`, or how it was observed. */
  where: string
}

/** Two settings in the wrong order: the outer one, nearer to the application, is not below the inner one. */
export interface TimerConflict {
  outer: TimerSetting
  inner: TimerSetting
  says: string
}

/** Timers fire late, not early: by the granularity of their clocks (timers.ts). */
const LATE_SECONDS = 0.1
const LATE_PART = 0.01

const LAYERS: readonly TimerLayer[] = ['pool', 'proxy', 'load balancer', 'server']

type Row = readonly [layer: TimerLayer, kind: TimerSetting['kind'], unit: number]
const MS = 1e-3
const S = 1

/** By product, then by setting, in lower case and without `mysql-`. Unit: seconds per one. 0 is off or unlimited everywhere. */
const KNOWN: Readonly<Record<string, Readonly<Record<string, Row>>>> = {
  hikaricp: {
    maxlifetime: ['pool', 'age', MS],
    idletimeout: ['pool', 'idle', MS],
    keepalivetime: ['pool', 'check', MS],
  },
  druid: {
    minevictableidletimemillis: ['pool', 'idle', MS],
    maxevictableidletimemillis: ['pool', 'idle', MS],
    keepalivebetweentimemillis: ['pool', 'check', MS],
    timebetweenevictionrunsmillis: ['pool', 'check', MS],
    phytimeoutmillis: ['pool', 'age', MS],
  },
  dbcp2: {
    maxconnlifetimemillis: ['pool', 'age', MS],
    minevictableidletimemillis: ['pool', 'idle', MS],
    timebetweenevictionrunsmillis: ['pool', 'check', MS],
  },
  'tomcat jdbc': {
    maxage: ['pool', 'age', MS],
    minevictableidletimemillis: ['pool', 'idle', MS],
    validationinterval: ['pool', 'check', MS],
  },
  c3p0: {
    maxconnectionage: ['pool', 'age', S],
    maxidletime: ['pool', 'idle', S],
    idleconnectiontestperiod: ['pool', 'check', S],
  },
  sqlalchemy: { pool_recycle: ['pool', 'age', S] },
  haproxy: {
    'timeout client': ['proxy', 'idle', S],
    'timeout server': ['proxy', 'idle', S],
  },
  proxysql: {
    wait_timeout: ['proxy', 'idle', MS],
    max_transaction_idle_time: ['proxy', 'idle', MS],
  },
  maxscale: { connection_timeout: ['proxy', 'idle', S], wait_timeout: ['proxy', 'idle', S] },
  envoy: { idle_timeout: ['proxy', 'idle', S] },
  mysql: { wait_timeout: ['server', 'idle', S] },
  mariadb: { wait_timeout: ['server', 'idle', S] },
}

/** The timer that a setting is, null when it is none or off. `value` in the setting's own unit, or in seconds with `inSeconds`. */
export function timerOf(
  product: string,
  name: string,
  value: number,
  where: string,
  inSeconds = false,
): TimerSetting | null {
  const row = KNOWN[product.toLowerCase()]?.[name.toLowerCase().replace(/^mysql-/, '')]
  if (row === undefined || !Number.isFinite(value) || value <= 0) return null
  const [layer, kind, unit] = row
  return { layer, product, name, seconds: inSeconds ? value : value * unit, kind, where }
}

/** Timers that logs print: settings at start, and those that a line about a close names with their value. */
export function timersInLogs(events: readonly LogEvent[]): TimerSetting[] {
  const found = new Map<string, TimerSetting>()
  const numbers = new Map<string, number>()
  for (const e of events) {
    if (e.what !== 'setting' && e.what !== 'idle-closed' && e.role !== 'pool') continue
    for (const [name, value] of Object.entries(e.fields)) {
      if (typeof value !== 'number') continue
      numbers.set(`${e.input} ${e.product} ${name}`, value)
      const timer = timerOf(e.product, name, value, `${e.input}:${e.line}`)
      if (timer !== null) found.set(`${e.input} ${e.product} ${name}`, timer)
    }
  }
  for (const key of found.keys()) {
    // HikariCP: "This setting only applies when minimumIdle is defined to be less than maximumPoolSize."
    const pool = / HikariCP idleTimeout$/.test(key) ? key.slice(0, -'idleTimeout'.length) : null
    if (pool === null) continue
    const least = numbers.get(`${pool}minimumIdle`)
    const most = numbers.get(`${pool}maximumPoolSize`)
    if (least !== undefined && most !== undefined && (least < 0 || least >= most)) found.delete(key)
  }
  return [...found.values()]
}

/** A setting of a configuration file, as its reader gives it (config/setting.ts). */
interface Configured {
  file: string
  line: number
  product: string
  name: string
  seconds: number | null
}

/** Timers of configuration files; what several sections inherit from one line is one. */
export function timersConfigured(settings: readonly Configured[]): TimerSetting[] {
  const found = new Map<string, TimerSetting>()
  for (const s of settings) {
    const where = `${s.file}:${s.line}`
    const timer = s.seconds === null ? null : timerOf(s.product, s.name, s.seconds, where, true)
    if (timer !== null) found.set(`${where} ${s.name}`, timer)
  }
  return [...found.values()]
}

/** An observed timer is the configured one of its layer with the same value, where there is one. */
export const sameTimer = (a: TimerSetting, b: TimerSetting): boolean =>
  a.layer === b.layer && Math.abs(a.seconds - b.seconds) <= Math.max(LATE_SECONDS, b.seconds * LATE_PART)

/** All timers: those observed that are no other's stand for themselves. */
export function withObserved(
  settings: readonly TimerSetting[],
  observed: readonly TimerSetting[],
): readonly TimerSetting[] {
  const seen = new Set(observed.map((o) => settings.find((s) => sameTimer(o, s))))
  return [
    ...settings.map((s) => (seen.has(s) ? { ...s, where: `${s.where}, observed` } : s)),
    ...observed.filter((o) => !settings.some((s) => sameTimer(o, s))),
  ]
}

/** Timers that were seen to run out: those of idle-timeout findings. */
export function timersObserved(findings: readonly Finding[]): TimerSetting[] {
  const out: TimerSetting[] = []
  for (const f of findings) {
    const log = f.detail['log'] as { setting?: unknown; atMostSeconds?: unknown } | undefined
    const exact = f.detail['timerSeconds']
    const seconds = typeof exact === 'number' ? exact : log?.atMostSeconds
    if (typeof seconds !== 'number') continue
    const layer: TimerLayer | null =
      f.rule === 'idle-timeout-proxy' ? 'proxy' : f.rule === 'idle-timeout-server' ? 'server' : null
    if (layer === null) continue
    out.push({
      layer,
      product: f.culprit.product ?? (layer === 'proxy' ? 'the proxy' : 'the server'),
      name: typeof log?.setting === 'string' ? log.setting : 'idle timer',
      seconds,
      kind: 'idle',
      where: typeof exact === 'number' ? 'observed' : 'observed: at most',
    })
  }
  return out
}

/**
 * How long the pool lets a connection lie untouched: what retires idle ones, or checks them; failing those, what retires old ones. The
 * smallest counts, since each alone would keep the order.
 */
function poolBound(pool: readonly TimerSetting[]): TimerSetting | null {
  return [...pool].sort((a, b) => a.seconds - b.seconds)[0] ?? null
}

/** Pairs in the wrong order: pool below proxy below load balancer below server. */
export function conflicts(settings: readonly TimerSetting[]): TimerConflict[] {
  const out: TimerConflict[] = []
  const pools = new Map<string, TimerSetting[]>()
  for (const s of settings) {
    if (s.layer !== 'pool') continue
    const key = `${s.product} ${s.where.replace(/:\d+$/, '')}`
    pools.set(key, [...(pools.get(key) ?? []), s])
  }
  const outers = [
    ...[...pools.values()].map(poolBound).filter((s) => s !== null),
    ...settings.filter((s) => s.layer === 'proxy'),
  ]
  for (const outer of outers) {
    for (const inner of settings) {
      if (LAYERS.indexOf(inner.layer) <= LAYERS.indexOf(outer.layer) || outer.seconds < inner.seconds) continue
      const same = (c: TimerConflict): boolean =>
        c.outer.name === outer.name &&
        c.outer.where === outer.where &&
        c.inner.name === inner.name &&
        c.inner.product === inner.product
      if (!out.some(same)) out.push({ outer, inner, says: saysOf(outer, inner) })
    }
  }
  return out
}

/** `HikariCP maxLifetime 30 min 0 s (app.log:23) is not below HAProxy timeout client 10.0 s (observed)`. */
const saysOf = (outer: TimerSetting, inner: TimerSetting): string =>
  `${timerWords(outer)} is not below ${timerWords(inner)}`

export const timerWords = (s: TimerSetting): string =>
  `${s.product} ${s.name} ${formatDuration(s.seconds * NS_PER_SECOND)} (${s.where})`

/** Of the order, with every layer that is known: `pool … < proxy … < server …`. */
export function inOrder(settings: readonly TimerSetting[]): TimerSetting[] {
  return [...settings].sort(
    (a, b) => LAYERS.indexOf(a.layer) - LAYERS.indexOf(b.layer) || a.seconds - b.seconds || (a.name < b.name ? -1 : 1),
  )
}
