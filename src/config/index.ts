/** The configuration files that --config takes, recognised by their content. To add one: write it and its row here. */
import { haproxyConfig } from './haproxy.ts'
import { iniConfigs } from './ini.ts'
import { proxysqlConfig } from './libconfig.ts'
import { poolConfigs } from './pools.ts'
import type { ConfigFormat, Note, Setting } from './setting.ts'

export const CONFIG_FORMATS: readonly ConfigFormat[] = [haproxyConfig, proxysqlConfig, ...iniConfigs, ...poolConfigs]

/** The settings of a file, and the format it was read as; null when it is of no known format. */
export function readConfig(file: string, text: string, note: Note): { format: string; settings: Setting[] } | null {
  const lines = text.replace(/^\ufeff/, '').split(/\r?\n/)
  let best: ConfigFormat | null = null
  let most = 0
  for (const format of CONFIG_FORMATS) {
    const score = format.score(lines)
    if (score > most) {
      best = format
      most = score
    }
  }
  return best === null ? null : { format: best.id, settings: best.read(file, lines, note) }
}
