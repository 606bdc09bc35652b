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
  return (name) => void describe(name, () => absence(absent, name))
}

/** The same for one test. */
export function itNeeds(...what: string[]): (name: string, body: () => void | Promise<void>, ms?: number) => void {
  const absent = missing(...what)
  if (absent.length === 0) return (name, body, ms) => void it(name, body, ms)
  return (name) => absence(absent, name)
}

/** Stands in the place of tests that cannot run. */
function absence(absent: readonly string[], name: string): void {
  const names = absent.join(', ')
  const mustRun = absent.some((w) => !w.includes('/')) && process.env['MYSQLCONN_REQUIRE_TOOLS'] === '1'
  if (mustRun) {
    it(`${name}: needs ${names}`, () => {
      throw new Error(`not here: ${names} (MYSQLCONN_REQUIRE_TOOLS=1 forbids to skip)`)
    })
    return
  }
  const line = `SKIPPED: ${name}: not here: ${names}\n`
  if (!said.has(line)) process.stderr.write(line)
  said.add(line)
  it.skip(`${name} (not here: ${names})`, () => {})
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
