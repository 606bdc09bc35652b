/**
 * What analysing a capture costs, next to the programs one would use otherwise; see docs/benchmark.md.
 *
 *   npm run bench -- [--size MB] [--tls-size MB] [--slice MB] [--connections N] [--rounds N] [--profiles small,large,…] [--json FILE]
 */
import { writeFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { faults } from './check.mjs'
import { capture, DATA } from './data.mjs'
import { measure, median } from './measure.mjs'
import { megabytes, seconds, table, thousands } from './table.mjs'
import { analyze, built, DISSECTION, JSON_REPORT, TOOLS } from './tools.mjs'

const { values: options } = parseArgs({
  options: {
    size: { type: 'string', default: '256' },
    'tls-size': { type: 'string', default: '64' },
    slice: { type: 'string', default: '24' },
    connections: { type: 'string', default: '2000' },
    rounds: { type: 'string', default: '3' },
    profiles: { type: 'string', default: 'small,large,small-tls,large-tls' },
    json: { type: 'string' },
  },
})
const connections = Number(options.connections)
const rounds = Number(options.rounds)
const REPORT = `${DATA}report.json`
const results = { environment: environment(), profiles: [], memory: null, startup: null, faults: [] }

if (!built()) {
  console.error('dist/ is missing: npm run build')
  process.exit(2)
}
console.log(results.environment.join('\n'))
for (const tool of TOOLS.filter((t) => t.available === null)) console.log(`left out, not installed: ${tool.name}`)

for (const name of options.profiles.split(',')) {
  const tls = name.endsWith('-tls')
  const profile = name.replace('-tls', '')
  const bytes = Number(tls ? options['tls-size'] : options.size) * 1e6
  const whole = capture({ profile, tls, bytes, connections })
  // With connections in proportion, logins and statements are mixed as in the whole: bytes cost the same in both.
  const part = Math.min(1, (options.slice * 1e6) / bytes)
  const slice = capture({ profile, tls, bytes: bytes * part, connections: Math.ceil(connections * part) })
  compare(name, whole, slice)
}
memory()
startup()
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, null, 1)}\n`)
if (results.faults.length > 0) {
  console.log(`\nWRONG: the figures above do not count.\n  ${results.faults.join('\n  ')}`)
  process.exit(1)
}
console.log('\nevery report was right: all reset sessions found, and no other')

function environment() {
  const load = loadavg()[0]
  const note = load > 0.5 ? ' (not idle: wall times are worth little, CPU times somewhat less than usual)' : ''
  return [
    `${cpus()[0]?.model ?? 'unknown CPU'}, ${availableParallelism()} cores, Node ${process.version}, load ${load.toFixed(1)}${note}`,
    ...new Set(TOOLS.filter((t) => !t.ours && t.available !== null).map((t) => t.available)),
  ]
}

/** All programs on one profile, taking turns; slow ones read a smaller capture of the same traffic. */
function compare(name, whole, slice) {
  const jobs = [
    ...TOOLS.filter((t) => !t.slow).map((tool) => ({ tool, input: whole })),
    ...TOOLS.filter((t) => t.slow || t.name === JSON_REPORT).map((tool) => ({ tool, input: slice })),
  ].filter((job) => job.tool.available !== null)
  for (const job of jobs) job.runs = []
  for (let round = 0; round < rounds; round++) {
    for (const job of jobs) job.runs.push(run(job))
  }

  const perByte = (job) => job.cpu / job.input.truth.bytes
  for (const job of jobs) {
    job.cpu = Math.max(median(job.runs.map((r) => r.cpu)), 0.005) // GNU time counts in steps of 10 ms
    job.wall = median(job.runs.map((r) => r.wall))
    job.rss = job.runs.some((r) => r.rss === null) ? null : Math.max(...job.runs.map((r) => r.rss))
  }
  const reference = jobs.find((job) => job.tool.name === DISSECTION)
  const { packets, bytes, connections: opened } = whole.truth
  console.log(
    `\n${name}: ${thousands(packets)} packets, mean ${(bytes / packets).toFixed(0)} B, ${thousands(opened)} connections, ${whole.truth.reset.length} of them reset`,
  )
  const rows = jobs.map((job) => [
    job.tool.name,
    megabytes(job.input.truth.bytes),
    seconds(job.cpu),
    seconds(job.wall),
    thousands(job.input.truth.bytes / 1e6 / job.cpu),
    thousands(job.input.truth.packets / job.cpu),
    megabytes(job.rss),
    reference === undefined ? '-' : `1/${(perByte(reference) / perByte(job)).toFixed(1)}`,
  ])
  console.log(
    table(['', 'MB', 'CPU s', 'wall s', 'MB/CPU-s', 'packets/CPU-s', 'RSS MB', 'CPU per byte to dissection'], rows),
  )
  results.profiles.push({
    name,
    packets,
    bytes,
    rows: jobs.map((j) => ({
      tool: j.tool.name,
      bytes: j.input.truth.bytes,
      packets: j.input.truth.packets,
      cpu: j.cpu,
      wall: j.wall,
      rss: j.rss,
    })),
  })
}

function run({ tool, input }) {
  const isReport = tool.name === JSON_REPORT
  const r = measure(tool.command(input.path, input.truth.tls), isReport ? REPORT : undefined)
  if (r.code !== 0) fault(tool.name, `exit code ${r.code}: ${r.stderr.trim().split('\n').at(-1)}`)
  if (isReport) for (const f of faults(REPORT, input.truth)) fault(input.path.slice(DATA.length), f)
  return r
}

function fault(where, what) {
  const text = `${where}: ${what}`
  if (!results.faults.includes(text)) results.faults.push(text)
}

/** Four times the traffic over as many connections open at once should need no more memory. */
function memory() {
  const bytes = options.size * 1e6
  const inputs = [bytes / 4, bytes].map((b) => capture({ profile: 'small', bytes: b, connections }))
  const [one, four] = inputs.map(({ path }) =>
    median(Array.from({ length: rounds }, () => measure(analyze(path, 'json')).rss)),
  )
  console.log(`\nmemory, ${thousands(connections)} connections open at once`)
  const row = (rss, { truth }) => [megabytes(truth.bytes), thousands(truth.connections), megabytes(rss)]
  console.log(table(['capture MB', 'connections in all', 'peak RSS MB'], [row(one, inputs[0]), row(four, inputs[1])]))
  if (one !== null) console.log(`  four times the capture: ${(four / one).toFixed(2)} times the memory`)
  results.memory = { one, four }
}

/** How long a small capture keeps one waiting. */
function startup() {
  const { path } = capture({ profile: 'small', packets: 1000, connections: 10 })
  const runs = Array.from({ length: 5 }, () => [
    measure(analyze(path, 'text')).wall,
    measure([process.execPath, '-e', '0']).wall,
  ])
  const [ours, node] = [median(runs.map((r) => r[0])), median(runs.map((r) => r[1]))]
  console.log(
    `\nstart-up: ${(ours * 1000).toFixed(0)} ms for a capture of 1,000 packets, of which Node itself ${(node * 1000).toFixed(0)} ms`,
  )
  results.startup = { ours, node }
}
