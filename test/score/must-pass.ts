/** The list of labelled cases that must pass, and where the captures of a case lie. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CAPTURES } from '../kit/require.ts'

/** Folders of labelled cases, below the shared captures. */
export const LABELLED = ['incidents', 'proxysql'].map((f) => join(CAPTURES, f))

/** Names in must-pass.txt, without comments. */
export const mustPass: string[] = readFileSync(join(import.meta.dirname, 'must-pass.txt'), 'utf8')
  .split('\n')
  .map((line) => line.replace(/#.*/, '').trim())
  .filter((line) => line !== '')

/** Folder of a case, null when it is not here. */
export function folderOf(name: string): string | null {
  return LABELLED.map((f) => join(f, name)).find((f) => existsSync(join(f, 'truth.json'))) ?? null
}
