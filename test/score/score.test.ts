/** The labelled cases of must-pass.txt, in process and on the captures alone. All cases, scored: node test/score/run.mjs. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { analyze } from '../../src/index.ts'
import { needs } from '../kit/require.ts'
import { faults, type Label, wireInputs } from './judge.ts'
import { folderOf, LABELLED, mustPass } from './must-pass.ts'

const labelOf = (folder: string): Label => JSON.parse(readFileSync(join(folder, 'truth.json'), 'utf8')) as Label

async function faultsOf(folder: string): Promise<string[]> {
  const label = labelOf(folder)
  const report = await analyze(wireInputs(label).map((f) => join(folder, f)))
  return faults(report, label)
}

/** Cases in which nothing is wrong: a finding of severity error or warning accuses an innocent. */
const controls = LABELLED.filter((f) => existsSync(f))
  .flatMap((f) => readdirSync(f).map((name) => join(f, name)))
  .filter((folder) => existsSync(join(folder, 'truth.json')))
  .filter((folder) => {
    const label = labelOf(folder)
    return label.expect?.length === 0 && label.wireOnly !== 'skip'
  })

needs(...LABELLED)('labelled captures', () => {
  it.each(mustPass)('%s', async (name) => {
    const folder = folderOf(name)
    expect(folder, `${name} is in must-pass.txt, but there is no such case`).not.toBeNull()
    expect(await faultsOf(folder!)).toEqual([])
  })

  it.each(controls.map((f) => f.split('/').slice(-2).join('/')))('control %s accuses nobody', async (name) => {
    const folder = controls.find((f) => f.endsWith(name))!
    expect((await faultsOf(folder)).filter((f) => f.startsWith('wrong'))).toEqual([])
  })
})

describe('must-pass.txt', () => {
  it('names each case once, in order', () => {
    expect(new Set(mustPass).size).toBe(mustPass.length)
    expect(mustPass.length).toBeGreaterThan(30)
  })
})
