/** One line per input: what was read, when, whose sessions (contract.md section 6). */
import { proxyName, serverName } from './chain.ts'
import type { InputReport, Report, SessionReport } from './model.ts'
import type { Style } from './style.ts'
import { bytes, count, dateAndTime, grouped, seconds, secondsBetween } from './words.ts'
import { displayWidth, hang, padEnd } from './wrap.ts'

/** Inputs told one by one; the rest are counted. */
const SHOWN = 8
const WIDEST_NAME = 32

export function* inputLines(report: Report, style: Style): Iterable<string> {
  const shown = report.inputs.slice(0, SHOWN)
  const names = shown.map((i) => style.clean(i.name))
  const column = Math.min(WIDEST_NAME, Math.max(0, ...names.map(displayWidth)))
  for (let i = 0; i < shown.length; i++) {
    yield* hang(`  ${padEnd(names[i]!, column)}   `, style.clean(inputFacts(shown[i]!, report)), style.width)
  }
  const rest = report.inputs.slice(SHOWN)
  if (rest.length > 0) {
    const packets = rest.reduce((n, i) => n + (i.packets ?? 0), 0)
    yield `  and ${count(rest.length, 'more input')}${packets > 0 ? ` with ${count(packets, 'frame')}` : ''}`
  }
}

function inputFacts(input: InputReport, report: Report): string {
  if (input.kind !== 'capture') {
    if (input.kind === 'config') return `configuration (${input.format}), ${bytes(input.bytes)}`
    const what = input.kind === 'keylog' ? 'TLS key log' : 'log'
    if (input.lines === undefined) return `${what}, ${bytes(input.bytes)}, not read`
    const recognised = input.recognised === undefined ? '' : `, ${grouped(input.recognised)} recognised`
    const offset = input.clockOffsetSeconds === undefined ? '' : `, ${clock(input.clockOffsetSeconds)}`
    return `${what}, ${count(input.lines, 'line')}${recognised}${joinedWords(input)}${offset}`
  }
  const facts = [`${count(input.packets ?? 0, 'frame')}`]
  if (input.firstAt) {
    facts.push(seconds(secondsBetween(input.firstAt, input.lastAt)))
    facts.push(`from ${dateAndTime(input.firstAt)}`)
    if (input.clockOffsetSeconds) facts.push(clock(input.clockOffsetSeconds))
  }
  const mysql = input.mysqlSessions ?? 0
  if (mysql === 0) facts.push(`${count(input.connections ?? 0, 'TCP connection')}, none of them MySQL`)
  else
    facts.push(`${count(mysql, 'MySQL session')}${parties(report.sessions.filter((s) => inputOf(s) === input.name))}`)
  return facts.join(', ')
}

/** `, 212 joined`; `, 3 of 5 about connections joined`. */
function joinedWords({ about, joined, lines }: InputReport): string {
  if (about === undefined || joined === undefined) return ''
  return about === joined && about === lines
    ? `, ${grouped(joined)} joined`
    : `, ${grouped(joined)} of ${grouped(about)} about connections joined`
}

/** How far this clock is ahead of the others'. */
const clock = (offset: number): string => `clock ${offset > 0 ? '+' : ''}${offset.toFixed(3)} s`

const inputOf = (s: SessionReport): string => s.id.slice(0, s.id.lastIndexOf(':'))

/** `: 29 clients → proxy 10.20.0.20:3306 → MariaDB 10.20.0.30:3306`, the busiest server named, the others counted. */
function parties(sessions: readonly SessionReport[]): string {
  if (sessions.length === 0) return ''
  const backLegs = sessions.filter((s) => s.legOf !== null)
  const proxies = new Set(backLegs.map((s) => hostOf(s.client)))
  const clients = new Set(sessions.map((s) => hostOf(s.client)).filter((host) => !proxies.has(host)))
  const from = clients.size > 0 ? count(clients.size, 'client') : 'a proxy'
  const fronts = sessions.filter((s) => !proxies.has(hostOf(s.client)) && proxies.has(hostOf(s.server)))
  const via = fronts.length === 0 ? '' : ` → ${busiest(fronts, proxyName)}`
  const others = sessions.filter((s) => !fronts.includes(s))
  return `: ${from}${via}${others.length === 0 ? '' : ` → ${busiest(others, serverName)}`}`
}

/** The accepting side that most sessions went to, and how many others there are. */
function busiest(sessions: readonly SessionReport[], nameOf: (s: SessionReport) => string): string {
  const servers = new Map<string, { sessions: number; named: SessionReport }>()
  for (const s of sessions) {
    const seen = servers.get(s.server)
    if (seen === undefined) servers.set(s.server, { sessions: 1, named: s })
    else {
      seen.sessions++
      if (!seen.named.mysql?.serverVersion) seen.named = s
    }
  }
  const [first] = [...servers].sort((a, b) => b[1].sessions - a[1].sessions || (a[0] < b[0] ? -1 : 1))
  const rest = servers.size > 1 ? ` and ${count(servers.size - 1, 'other')}` : ''
  return `${nameOf(first![1].named)} ${first![0]}${rest}`
}

const hostOf = (endpoint: string): string => endpoint.replace(/:\d+$/, '')
