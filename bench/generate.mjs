/**
 * Writes a capture of realistic MySQL traffic, and beside it FILE.json with what is true of it (which sessions were reset).
 * The same parameters give the same bytes.
 *
 *   node bench/generate.mjs FILE [--profile small|large|mixed] [--tls] [--mb 256] [--connections 2000] [--seed 1]
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Simulation } from './simulation.mjs'

/** Generates `path` and `path.json`; returns what the latter holds. */
export function generate({ path, profile = 'small', tls = false, bytes, packets, connections = 2000, seed = 1 }) {
  const began = process.hrtime.bigint()
  const simulation = new Simulation({ path, profile, tls, connections, seed })
  const truth = { profile, tls, seed, openAtOnce: connections, ...simulation.run(bytes, packets) }
  writeFileSync(`${path}.json`, `${JSON.stringify(truth, null, 1)}\n`)
  return { ...truth, tookSeconds: Number(process.hrtime.bigint() - began) / 1e9 }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      profile: { type: 'string', default: 'small' },
      tls: { type: 'boolean', default: false },
      mb: { type: 'string', default: '256' },
      connections: { type: 'string', default: '2000' },
      seed: { type: 'string', default: '1' },
    },
  })
  const { profile, tls, mb, connections, seed } = values
  if (positionals.length !== 1 || !['small', 'large', 'mixed'].includes(profile)) {
    console.error(
      'usage: node bench/generate.mjs FILE [--profile small|large|mixed] [--tls] [--mb N] [--connections N] [--seed N]',
    )
    process.exit(2)
  }
  const t = generate({ path: positionals[0], profile, tls, bytes: mb * 1e6, connections: +connections, seed: +seed })
  console.log(
    `${t.packets} packets, mean ${(t.bytes / t.packets).toFixed(0)} B, ${t.connections} connections, ${t.reset.length} reset, ` +
      `${t.retransmitted} retransmitted, ${t.reordered} reordered, ${t.seconds.toFixed(1)} s of traffic; ` +
      `${(t.bytes / 1e6 / t.tookSeconds).toFixed(0)} MB/s`,
  )
}
