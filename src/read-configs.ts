/** The configuration files of --config: read whole, since they are small, and listed among the inputs. */
import { readFileSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { cannotOpen } from './capture/raw-input.ts'
import { readConfig } from './config/index.ts'
import type { Setting } from './config/setting.ts'
import { AnomalyLog } from './core/anomaly.ts'
import { MysqlconnError } from './core/errors.ts'
import { LIMITS } from './core/limits.ts'

export interface ConfigFile {
  path: string
  name: string
  format: string
  bytes: number
  settings: readonly Setting[]
  anomalies: AnomalyLog
}

/** The files in their order. Throws E_INPUT_OPEN, and E_INPUT_UNRECOGNISED for a file that is of no known kind. */
export function readConfigs(paths: readonly string[]): ConfigFile[] {
  return paths.map((path) => {
    const name = basename(path)
    const anomalies = new AnomalyLog()
    const text = contents(path, anomalies)
    const read = readConfig(name, text, (line, why) => {
      anomalies.note(why === 'include' ? 'config.include' : 'config.unreadable-line', 0, `line ${line}`)
    })
    if (read === null)
      throw new MysqlconnError(
        'E_INPUT_UNRECOGNISED',
        `--config: ${path} is no configuration that we know`,
        'it takes haproxy.cfg, proxysql.cnf, my.cnf, mysqlrouter.conf, maxscale.cnf, and properties or YAML of Java pools',
      )
    return { path, name, anomalies, bytes: Buffer.byteLength(text), ...read }
  })
}

function contents(path: string, anomalies: AnomalyLog): string {
  try {
    if (statSync(path).size > LIMITS.configBytes)
      anomalies.note('us.limit', 0, `only the first ${LIMITS.configBytes} bytes`)
    return readFileSync(path).subarray(0, LIMITS.configBytes).toString('utf8')
  } catch (error) {
    throw cannotOpen(path, error)
  }
}
