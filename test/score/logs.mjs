#!/usr/bin/env node
// Scores `mysqlconn analyze` on the labelled cases with the captures taken away: logs alone.
//
//   node test/score/logs.mjs SHARED [--bin "node bin/run.js"] [--only TEXT] [--list]
//
// Logs cannot know everything, so nothing is owed but what logs-must-name.txt lists (case and rule). What is said must be right: a
// finding of severity warning or error whose rule, culprit role or client the truth does not allow is a wrong accusation.
// Exit status: 1 for a wrong accusation or a listed rule that is missing, 2 when the scoring could not be run.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const args = process.argv.slice(2)
const value = (name, fallback) => {
  const at = args.indexOf(name)
  return at < 0 ? fallback : args.splice(at, 2)[1]
}
const bin = value('--bin', 'node bin/run.js').split(' ')
const only = value('--only', '')
const list = args.includes('--list') && args.splice(args.indexOf('--list'), 1)
const shared = args[0]
if (shared === undefined) {
  console.error('usage: logs.mjs SHARED [--bin CMD] [--only TEXT] [--list]')
  process.exit(2)
}

/** Who waited in vain gave up: the log says so, and why the answer did not come it cannot know. */
const WAITED_IN_VAIN = [
  'silent-drop',
  'pmtu-black-hole',
  'packet-loss',
  'net-write-timeout',
  'server-crash',
  'connect-timeout',
]
const isLog = (f) => !/\.(pcap|pcapng|cap)(\.gz|\.zst)?$/.test(f) && !/(keys|keylog)[^/]*\.(txt|log)$/.test(f)
const rulesOf = (e) => [e.rule, e.also ?? [], e.wireOnly?.rule ?? []].flat()

const mustName = readFileSync(new URL('logs-must-name.txt', import.meta.url), 'utf8')
  .split('\n')
  .map((line) => line.replace(/#.*/, '').trim().split(/\s+/))
  .filter((words) => words.length >= 2)

const folders = ['incidents', 'proxysql'].map((f) => join(shared, 'captures', f)).filter((f) => existsSync(f))
const cases = folders.flatMap((f) =>
  readdirSync(f)
    .filter((n) => existsSync(join(f, n, 'truth.json')) && n.includes(only))
    .map((n) => ({ name: n, dir: join(f, n) })),
)
let wrongs = 0
const named = new Map()
for (const { name, dir } of cases) {
  const truth = JSON.parse(readFileSync(join(dir, 'truth.json'), 'utf8'))
  const inputs = truth.inputs.filter(isLog).map((f) => join(dir, f))
  if (inputs.length === 0) continue
  const out = spawnSync(bin[0], [...bin.slice(1), 'analyze', '--format', 'json', ...inputs], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  let report
  try {
    report = JSON.parse(out.stdout)
  } catch {
    // None of the logs is of a format that is known: that is an answer.
    if (out.status === 3) continue
    console.error(`${name}: exit ${out.status}: ${out.stderr.trim().split('\n').pop()}`)
    process.exit(2)
  }
  const expect = truth.expect ?? []
  const caseWide = typeof truth.wireOnly === 'object' ? [truth.wireOnly.rule ?? []].flat() : []
  const allowed = new Set([...expect.flatMap(rulesOf), ...caseWide, ...(truth.lenient ?? [])])
  if (WAITED_IN_VAIN.some((r) => allowed.has(r))) allowed.add('client-timeout')
  const gray = new Set(truth.gray ?? [])
  const victims = new Set(expect.flatMap((e) => e.sessions.map((s) => s.client)))
  for (const f of report.findings) {
    const problems = []
    const wanted = expect.filter((e) => rulesOf(e).includes(f.rule))
    const roles = wanted.every((e) => e.role !== undefined) ? wanted.flatMap((e) => e.role) : []
    for (const o of f.occurrences) {
      const known = /:\d+$/.test(o.client)
      if (known && gray.has(o.client)) continue
      if (!allowed.has(f.rule)) problems.push(`${f.rule} (${f.severity}) ${o.session} ${o.client}`)
      else if (known && !victims.has(o.client)) problems.push(`${f.rule} (${f.severity}) names ${o.client}`)
    }
    if (problems.length === 0 && roles.length > 0 && !roles.includes(f.culprit.role) && f.culprit.role !== 'unknown')
      problems.push(`${f.rule} accuses the ${f.culprit.role}, not the ${roles.join(' or ')}`)
    if (f.severity !== 'info') {
      for (const p of problems.slice(0, 3)) console.log(`WRONG  ${name}: ${p}`)
      wrongs += problems.length
    }
    if (problems.length === 0) named.set(name, [...(named.get(name) ?? []), f.rule])
    if (list) console.log(`${name}: ${f.rule} (${f.severity}, ${f.confidence}) ${f.title}`)
  }
}
const missing = mustName.filter(([c, rule]) => c.includes(only) && !(named.get(c) ?? []).includes(rule))
for (const [c, rule] of missing) console.log(`MISSING  ${c}: ${rule}, which the logs tell`)
const owed = new Set(mustName.map(([c]) => c))
for (const [c, rules] of named)
  if (!owed.has(c)) console.log(`could be listed in logs-must-name.txt: ${c} ${[...new Set(rules)].join(' ')}`)
console.log(
  `${named.size} of ${cases.length} cases named by their logs alone; ${missing.length} missing, ${wrongs} wrong accusations`,
)
process.exit(wrongs + missing.length === 0 ? 0 : 1)
