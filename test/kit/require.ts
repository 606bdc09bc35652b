/**
 * What a test needs that the project does not bring: programs of the machine, and the captures beside the checkout. A missing
 * program skips the tests with one loud line, and fails them where MYSQLCONN_REQUIRE_TOOLS=1 (CI). Captures are other people's
 * property and no part of the project, so their absence always only skips.
 */
import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { describe, it } from 'vitest'

export const ROOT = resolve(import.meta.dirname, '../..')

/** The folder with contract, tools and captures: MYSQLCONN_SHARED, else beside the checkout. */
export const SHARED =
  process.env['MYSQLCONN_SHARED'] ??
  [resolve(ROOT, '../shared'), '/work/shared'].find((f) => existsSync(f)) ??
  resolve(ROOT, '../shared')

export const CAPTURES = join(SHARED, 'captures')

const said = new Set<string>()

/** Those of `what` that are not here: a path (it holds a slash) that does not exist, a program that is not in PATH. */
export function missing(...what: string[]): string[] {
  return what.filter((w) => (w.includes('/') ? !existsSync(w) : !isProgram(w)))
}

/**
 * `describe` for tests that need programs (`tshark`) or files (an absolute path): runs, skips loudly, or fails, as above.
 *
 *   needs('tshark', CAPTURES)('streams as tshark numbers them', () => { ... })
 */
export function needs(...what: string[]): (name: string, body: () => void) => void {
  const absent = missing(...what)
  if (absent.length === 0) return (name, body) => void describe(name, body)
  const programs = absent.filter((w) => !w.includes('/'))
  if (programs.length > 0 && process.env['MYSQLCONN_REQUIRE_TOOLS'] === '1') {
    return (name) =>
      void describe(name, () => {
        it(`needs ${programs.join(', ')}`, () => {
          throw new Error(`not installed: ${programs.join(', ')} (MYSQLCONN_REQUIRE_TOOLS=1 forbids to skip)`)
        })
      })
  }
  return (name) => {
    const line = `SKIPPED: ${name}: not here: ${absent.join(', ')}`
    if (!said.has(line)) process.stderr.write(`${line}\n`)
    said.add(line)
    describe.skip(`${name} (not here: ${absent.join(', ')})`, () => it('skipped', () => {}))
  }
}

function isProgram(name: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    const path = join(folder, name)
    try {
      accessSync(path, constants.X_OK)
      return statSync(path).isFile()
    } catch {
      return false
    }
  })
}
