/** The labelled cases with their logs: controls stay quiet, and logs alone name what they can and accuse nobody wrongly. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, it } from 'vitest'
import { analyze } from '../../src/index.ts'
import { needs } from '../kit/require.ts'
import { faults, type Label } from './judge.ts'
import { LABELLED } from './must-pass.ts'

const root = resolve(import.meta.dirname, '../..')
const labelOf = (folder: string): Label => JSON.parse(readFileSync(join(folder, 'truth.json'), 'utf8')) as Label

/** Cases in which nothing is wrong. */
const controls = LABELLED.filter((f) => existsSync(f))
  .flatMap((f) => readdirSync(f).map((name) => join(f, name)))
  .filter((folder) => existsSync(join(folder, 'truth.json')) && labelOf(folder).expect?.length === 0)

needs(...LABELLED)('labelled cases with logs', () => {
  it.each(controls.map((f) => f.split('/').slice(-2).join('/')))('control %s accuses nobody', async (name) => {
    const folder = controls.find((f) => f.endsWith(name))!
    const label = labelOf(folder)
    const report = await analyze(label.inputs.map((f) => join(folder, f)))
    expect(report.bugs ?? []).toEqual([])
    expect(faults(report, label).filter((f) => f.startsWith('wrong'))).toEqual([])
  })

  it('logs alone (needs npm run build)', () => {
    const shared = resolve(LABELLED[0]!, '../..')
    const out = spawnSync(process.execPath, ['test/score/logs.mjs', shared], { cwd: root, encoding: 'utf8' })
    const bad = out.stdout.split('\n').filter((line) => /^(?:WRONG|MISSING)/.test(line))
    expect({ status: out.status, bad, err: out.stderr }).toEqual({ status: 0, bad: [], err: '' })
  }, 600_000)
})
