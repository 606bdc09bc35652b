/**
 * Feeds damaged captures to the engine: no exception, no hang, no growth, whatever the bytes (docs: contract, "what bad input gets").
 *
 *   npm run build && node test/fuzz/mutate.mjs [--iterations 100000] [--seed 1] [--corpus DIR] [--dist DIR] [--only N]
 *
 * Iteration N of a seed is always the same mutant; --only N shows it. What fails is saved below /tmp, also minimised.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { Random } from '../../bench/random.mjs'
import { corpus } from './corpus.mjs'
import { failure } from './judge.mjs'
import { mutant } from './mutations.mjs'

/** A mutant that takes this long is stopped; the worker itself reports those slower than 2 s. */
const HANG_MS = 15_000
/** More than this between the first and the last quarter of the run is a leak. */
const GROWTH_BYTES = 32e6

const { values: options } = parseArgs({
  options: {
    iterations: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    corpus: { type: 'string', default: '/work/shared/captures' },
    dist: { type: 'string', default: resolve(import.meta.dirname, '../../dist') },
    only: { type: 'string' },
  },
})
const iterations = Number(options.iterations)
const seed = Number(options.seed)
const folder = existsSync(options.corpus) ? options.corpus : resolve(import.meta.dirname, '../../samples')
const module = pathToFileURL(resolve(options.dist, 'src/index.js')).href
const SAVED = join(tmpdir(), 'mysqlconn-fuzz')

const captures = corpus(folder)
if (captures.length === 0) {
  console.error(`no capture below ${folder}`)
  process.exit(2)
}
const mutantOf = (i) => mutant(captures, new Random(seed * 0x9e3779b1 + i))

if (options.only !== undefined) await show(Number(options.only))
else await fuzz()

async function show(i) {
  const { analyzeBuffer } = await import(module)
  const { bytes, steps } = mutantOf(i)
  save(`seed${seed}-${i}`, bytes)
  console.log(`${bytes.length} bytes: ${steps.join(', ')}`)
  console.log(failure(analyzeBuffer, bytes)?.stack ?? JSON.stringify(analyzeBuffer('fuzz', bytes).summary))
}

function save(name, bytes) {
  mkdirSync(SAVED, { recursive: true })
  const path = join(SAVED, `${name}.pcap`)
  writeFileSync(path, bytes)
  return path
}

async function fuzz() {
  console.log(`${captures.length} captures from ${folder}; ${iterations} mutants of seed ${seed}`)
  const began = Date.now()
  const failures = new Map()
  const memory = []
  const seen = {}
  const note = (f) => {
    const key = `${f.kind}: ${f.kind === 'hang' || f.kind === 'memory' ? f.kind : f.signature}`
    const known = failures.get(key)
    if (known !== undefined) {
      known.count++
      return
    }
    const path = save(`seed${seed}-${f.i}`, f.bytes)
    const smallest =
      f.smallest === undefined
        ? ''
        : `, minimised to ${f.smallest.length} bytes: ${save(`seed${seed}-${f.i}.min`, f.smallest)}`
    failures.set(key, { count: 1 })
    console.log(`${f.kind} at ${f.i} (${f.steps.join(', ')}): ${f.signature}\n  ${path}${smallest}\n${f.stack}`)
  }
  for (let from = 0; from < iterations; ) from = await part(from, note, memory, seen)

  const seconds = (Date.now() - began) / 1000
  const total = [...failures.values()].reduce((n, f) => n + f.count, 0)
  const growth = trend(memory)
  console.log(
    `${iterations} mutants in ${seconds.toFixed(0)} s (${(iterations / seconds).toFixed(0)}/s): ${total} failures of ${failures.size} kinds; ` +
      `memory ${(Math.max(...memory) / 1e6).toFixed(0)} MB at most, ${(growth / 1e6).toFixed(0)} MB growth`,
  )
  console.log(
    `  read: ${Object.entries(seen)
      .map(([key, n]) => `${n} ${key}`)
      .join(', ')}`,
  )
  for (const [key, f] of failures) console.log(`  ${f.count} x ${key}`)
  const leaks = growth > GROWTH_BYTES
  if (leaks) console.log('  memory grows with the number of captures')
  process.exitCode = total > 0 || leaks ? 1 : 0
}

/** Runs a worker from this iteration on, until it is done or hangs; returns where to go on. */
function part(from, note, memory, seen) {
  return new Promise((done, failed) => {
    const beat = new SharedArrayBuffer(4)
    const iteration = new Int32Array(beat)
    iteration[0] = from - 1
    const worker = new Worker(new URL('./worker.mjs', import.meta.url), {
      workerData: { folder, seed, from, to: iterations, beat, module },
    })
    let last = -1
    let since = Date.now()
    let busy = false // with minimising, after a failure
    const watch = setInterval(async () => {
      const now = Atomics.load(iteration, 0)
      if (now !== last) {
        last = now
        since = Date.now()
        busy = false
      } else if (now >= from && Date.now() - since > HANG_MS * (busy ? 3 : 1)) {
        clearInterval(watch)
        await worker.terminate()
        note({ kind: 'hang', i: now, ...mutantOf(now), signature: `more than ${HANG_MS / 1000} s`, stack: '' })
        done(now + 1)
      }
    }, 500)
    worker.on('message', (m) => {
      if (m.type === 'failure') {
        busy = true
        note(m)
      } else {
        memory.push(m.bytes)
        for (const [key, n] of Object.entries(m.seen)) seen[key] = (seen[key] ?? 0) + n
        if (m.i % 10_000 === 0) console.log(`  ${m.i}`)
        if (m.i >= iterations) {
          clearInterval(watch)
          done(m.i)
        }
      }
    })
    worker.on('error', (e) => {
      clearInterval(watch)
      failed(e)
    })
  })
}

/** Bytes gained from the second quarter of the run to the last; the first is warm-up. */
function trend(memory) {
  const quarter = Math.floor(memory.length / 4)
  if (quarter === 0) return 0
  const middle = (list) => [...list].sort((a, b) => a - b)[list.length >> 1]
  return middle(memory.slice(-quarter)) - middle(memory.slice(quarter, 2 * quarter))
}
