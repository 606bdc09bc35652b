/**
 * Captures made by other people's software, through the layers below: commands by
 * type and error codes must be what tshark counts (the .truth.json beside each capture).
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { initZstd } from '../../src/mysql/zstd.ts'
import { CAPTURES, needs } from '../kit/require.ts'
import { TSHARK_COMMANDS } from '../kit/tshark-commands.ts'
import { read } from './read-capture.ts'

const CORPORA = join(CAPTURES, 'corpora/mysql')
const INCIDENTS = join(CAPTURES, 'incidents')
export const captures = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder)
        .filter((f) => existsSync(join(folder, `${f}.truth.json`)))
        .sort()
    : []

/** Where ours differs, and rightly so: what ours must count instead. */
const DIFFERS: Record<string, { why: string; commands: Record<string, number> }> = {
  'deepflow-mysql-compressed-response.pcap': {
    why: 'compressed from the first byte seen on: tshark has no login to know it from',
    commands: { COM_QUERY: 1 },
  },
  'deepflow-mysql-use.pcap': { why: 'compressed, as above; tshark reads a COM_SLEEP', commands: { COM_QUERY: 1 } },
  'pcap2mysql-compressed-data-missing.pcap': {
    why: 'tshark takes pieces of a compressed INSERT for unknown commands',
    commands: { COM_QUERY: 2, COM_QUIT: 1 },
  },
}

/** Facts that must be there, of incidents in which something is odd on purpose. */
const ODD: Record<string, RegExp> = {
  'derived-snaplen-128': /^\d+: (answer lost|resynced server)$/,
  'wrong-protocol-tls-hello-to-mysql-port': /^\d+: unreadable client tls-client-hello$/,
}

beforeAll(() => initZstd())

needs(CORPORA)('captures of other projects against tshark', () => {
  it.each(captures(CORPORA))('%s', async (file) => {
    const truth = JSON.parse(readFileSync(join(CORPORA, `${file}.truth.json`), 'utf8'))
    const { stories } = await read(join(CORPORA, file))
    const commands: Record<string, number> = {}
    const errors: Record<string, number> = {}
    for (const { heard } of stories) {
      for (const [name, n] of Object.entries(heard.commands)) commands[name] = (commands[name] ?? 0) + n
      for (const code of heard.errors) errors[code] = (errors[code] ?? 0) + 1
    }
    const wanted: Record<string, number> = {}
    for (const [name, n] of Object.entries(truth.mysql?.commands ?? {}))
      wanted[TSHARK_COMMANDS[name] ?? name] = n as number
    const wantedErrors: Record<string, number> = {}
    for (const [code] of truth.mysql?.errors ?? []) wantedErrors[code] = (wantedErrors[code] ?? 0) + 1
    const differs = DIFFERS[file]
    if (differs !== undefined) {
      expect(commands, differs.why).toEqual(differs.commands)
      return
    }
    expect({ commands, errors }).toEqual({ commands: wanted, errors: wantedErrors })
  })
})

needs(INCIDENTS)('incident captures', () => {
  const all = existsSync(INCIDENTS)
    ? readdirSync(INCIDENTS).filter((d) => existsSync(join(INCIDENTS, d, 'capture.pcap')))
    : []
  it.each(all)('%s has no unreadable or unaccounted bytes', async (name) => {
    const { stories } = await read(join(INCIDENTS, name, 'capture.pcap'))
    const odd = stories.flatMap(({ stream, heard }) =>
      heard.facts
        .filter((f) => /^(unreadable|out of order|resynced|answer lost)/.test(f))
        .map((f) => `${stream}: ${f}`),
    )
    const allowed = ODD[name]
    if (allowed !== undefined) {
      expect(odd).not.toEqual([])
      expect(odd.filter((f) => !allowed.test(f))).toEqual([])
    } else expect(odd).toEqual([])
  })
})
