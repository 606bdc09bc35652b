/** Captures to measure on, kept in bench/.data and made again when the parameters or the generator change. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { generate } from './generate.mjs'

export const DATA = fileURLToPath(new URL('.data/', import.meta.url))

const SOURCES = [
  'answer',
  'connection',
  'dialogue',
  'generate',
  'messages',
  'pcap-writer',
  'profiles',
  'random',
  'schedule',
  'simulation',
  'tls-bytes',
]

/** Changes with every change of the generator, so old files are not mistaken for new ones. */
const generatorId = SOURCES.reduce(
  (hash, name) => hash.update(readFileSync(new URL(`${name}.mjs`, import.meta.url))),
  createHash('sha256'),
)
  .digest('hex')
  .slice(0, 8)

/** The capture for these parameters and what is true of it. */
export function capture({ profile, tls = false, bytes, packets, connections, seed = 1 }) {
  mkdirSync(DATA, { recursive: true })
  const size = packets === undefined ? `${Math.round(bytes / 1e6)}MB` : `${packets}p`
  const path = `${DATA}${profile}${tls ? '-tls' : ''}-${size}-${connections}c-${seed}-${generatorId}.pcap`
  if (!existsSync(path) || !existsSync(`${path}.json`)) {
    const part = `${path}.part`
    const t = generate({ path: part, profile, tls, bytes: bytes ?? Infinity, packets, connections, seed })
    renameSync(`${part}.json`, `${path}.json`)
    renameSync(part, path)
    console.error(
      `made ${path.slice(DATA.length)}: ${t.packets} packets, ${(t.bytes / 1e6 / t.tookSeconds).toFixed(0)} MB/s`,
    )
  }
  return { path, truth: JSON.parse(readFileSync(`${path}.json`, 'utf8')) }
}
