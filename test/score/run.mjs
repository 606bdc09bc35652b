#!/usr/bin/env node
// Scores `mysqlconn analyze` on the labelled captures (captures alone, or with --logs all that a case has) and prints the total and
// every case that falls short. Logs without captures: logs.mjs.
//
//   node test/score/run.mjs SHARED [--logs] [--bin "node bin/run.js"]
//
// Exit status: 1 when a case of must-pass.txt does not pass or a control (a case that expects nothing) has a wrong accusation;
// 2 when the scoring could not be run. Cases outside the list may fail: they are work to do.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const args = process.argv.slice(2)
const at = args.indexOf('--bin')
const bin = at < 0 ? 'node bin/run.js' : args.splice(at, 2)[1]
const withLogs = args.includes('--logs')
if (withLogs) args.splice(args.indexOf('--logs'), 1)
const shared = args[0]
if (shared === undefined || bin === undefined) {
  console.error('usage: run.mjs SHARED [--logs] [--bin CMD]')
  process.exit(2)
}
const folders = ['incidents', 'proxysql'].map((f) => join(shared, 'captures', f)).filter((f) => existsSync(f))
const score = [
  join(shared, 'tools/score.mjs'),
  '--bin',
  bin,
  ...(withLogs ? [] : ['--wire-only']),
  '--json',
  ...folders,
]
const out = spawnSync(process.execPath, score, { encoding: 'utf8', maxBuffer: 1 << 28 })
let scored
try {
  scored = JSON.parse(out.stdout)
} catch {
  console.error(out.stderr || out.stdout || String(out.error))
  process.exit(2)
}

const mustPass = readFileSync(new URL('must-pass.txt', import.meta.url), 'utf8')
  .split('\n')
  .map((line) => line.replace(/#.*/, '').trim())
  .filter((line) => line !== '')
const isControl = (name) => {
  const truth = folders.map((f) => join(f, name, 'truth.json')).find((f) => existsSync(f))
  return JSON.parse(readFileSync(truth, 'utf8')).expect?.length === 0
}

const passes = (r) => r.missed.length === 0 && r.wrong.length === 0
const broken = []
for (const r of scored.results) {
  const must = mustPass.includes(r.case)
  if (must && !passes(r)) broken.push(`${r.case}: is in must-pass.txt`)
  else if (isControl(r.case) && r.wrong.length > 0) broken.push(`${r.case}: a control, and somebody is accused`)
  if (passes(r)) continue
  console.log(
    `${must ? 'BROKEN' : 'falls short'}  ${r.case}: ${r.missed.length} missed, ${r.wrong.length} wrong ${r.note}`.trimEnd(),
  )
  for (const m of r.missed.slice(0, 2)) console.log(`        missed: ${m}`)
  for (const w of r.wrong.slice(0, 2)) console.log(`        wrong:  ${w}`)
}
for (const name of mustPass) {
  if (!scored.results.some((r) => r.case === name))
    broken.push(`${name}: is in must-pass.txt, but there is no such case`)
}
const unlisted = scored.results.filter((r) => passes(r) && !mustPass.includes(r.case)).map((r) => r.case)
if (unlisted.length > 0) console.log(`pass and could be listed in test/score/must-pass.txt: ${unlisted.join(', ')}`)

const { cases, passed, missed, wrong } = scored.total
console.log(`${passed} of ${cases} cases pass; ${missed} expected sessions missed, ${wrong} wrong accusations`)
for (const line of broken) console.log(`BROKEN  ${line}`)
process.exit(broken.length === 0 ? 0 : 1)
