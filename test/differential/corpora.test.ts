/**
 * Every capture of other projects against its ground truth: frames, connections, resets, MySQL commands and error codes. tshark is
 * not always right; where ours is, known-differences.json says why, after a look at the bytes, and holds what ours must say.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { MysqlconnError } from '../../src/core/errors.ts'
import type { Report } from '../../src/report/model.ts'
import { needs } from '../kit/require.ts'
import { examine } from './engine.ts'
import { CORPORA, corpora, mysqlTruth, type Truth, truthOf } from './truth.ts'

interface KnownDifference {
  why: string
  /** The facts that differ, as ours must be. */
  ours: Partial<Facts>
}

interface Facts {
  frames: number
  connections: number
  resetFrames: number[]
  commands: Record<string, number>
  errors: Record<string, number>
}

const known = JSON.parse(readFileSync(join(import.meta.dirname, 'known-differences.json'), 'utf8')) as Record<
  string,
  KnownDifference
>

function factsOf(report: Report, resetFrames: number[]): Facts {
  const { packets, connections } = report.inputs[0] as { packets: number; connections: number }
  const commands: Record<string, number> = {}
  const errors: Record<string, number> = {}
  for (const { mysql } of report.sessions) {
    for (const [name, n] of Object.entries(mysql?.commands ?? {})) commands[name] = (commands[name] ?? 0) + n
    for (const e of mysql?.errors ?? []) errors[e.code] = (errors[e.code] ?? 0) + e.count
  }
  return { frames: packets, connections, resetFrames, commands, errors }
}

/** What tshark could read of the file; of a broken one it read only a part, and what it counted says nothing. */
function wanted(truth: Truth): Partial<Facts> {
  if (truth.tshark_errors.length > 0) return mysqlTruth(truth)
  return {
    frames: truth.packets,
    connections: truth.tcp_streams,
    // Cut to 500 in the truth file; a capture with more is compared by its first ones.
    resetFrames: truth.resets.map((r) => r.frame),
    ...mysqlTruth(truth),
  }
}

needs(CORPORA)('captures of other projects against their ground truth', () => {
  it.each(corpora)('%s', async (name) => {
    const truth = truthOf(name)
    let facts: Facts
    try {
      const { report, resetFrames } = await examine(join(CORPORA, name))
      facts = factsOf(report, resetFrames.slice(0, 500))
    } catch (error) {
      // Files that tshark cannot read either may be refused, in words.
      expect(truth.tshark_errors).not.toEqual([])
      expect(error).toBeInstanceOf(MysqlconnError)
      return
    }
    expect(facts).toMatchObject({ ...wanted(truth), ...known[name]?.ours })
    const { commands, errors } = { ...wanted(truth), ...known[name]?.ours }
    expect({ commands: facts.commands, errors: facts.errors }).toEqual({ commands, errors })
  })

  it('every known difference still is one', async () => {
    for (const [name, { ours }] of Object.entries(known)) {
      expect([name, wanted(truthOf(name))]).not.toMatchObject([name, ours])
    }
  })
})

describe('known differences', () => {
  it('each has its reason', () => {
    for (const [name, { why, ours }] of Object.entries(known)) {
      expect(why.length, name).toBeGreaterThan(40)
      expect(Object.keys(ours), name).not.toEqual([])
    }
  })
})
