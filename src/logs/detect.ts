/** Which text is a log: by the lines at its beginning. */
import { AnomalyLog } from '../core/anomaly.ts'
import { Epoch } from '../core/time.ts'
import type { LogFormat } from './format.ts'
import { LOG_FORMATS } from './index.ts'
import { type LogCounts, LogReader } from './source.ts'

/** Of the lines that are not blank, how many must be known: logs of servers begin with banners. */
const KNOWN_SHARE = 0.3
/** For the general format, which takes any line with a time. */
const GENERAL_SHARE = 0.5

/** The format of a log by its first bytes, null when the text is no log. The id is that of `formatOf`. */
export function detectLog(head: Uint8Array, formats: readonly LogFormat[] = LOG_FORMATS): string | null {
  const reader = new LogReader({
    input: '',
    epoch: new Epoch(),
    anomalies: new AnomalyLog(),
    formats,
    onEvent: () => {},
  })
  const lastLine = head.lastIndexOf(10) + 1
  // A head that ends in the middle of a line: that line is no evidence, unless it is the only one.
  reader.finish(head, 0, lastLine > 0 && head.length > 8192 ? lastLine : head.length)
  const { lines, byFormat } = reader.counts
  const known = [...byFormat.values()].reduce((n, count) => n + count, 0)
  if (known === 0) return null
  const onlyGeneral = byFormat.size === 1 && byFormat.has(formats.at(-1)!.id)
  if (known / lines < (onlyGeneral ? GENERAL_SHARE : KNOWN_SHARE)) return null
  return formatOf(reader.counts, formats)
}

/** The one format to name a log by: that of most lines, the general one only when hardly any line is of another. */
export function formatOf(counts: LogCounts, formats: readonly LogFormat[] = LOG_FORMATS): string {
  const generalId = formats.at(-1)!.id
  let best = generalId
  let most = 0
  for (const [id, lines] of counts.byFormat) {
    if (id !== generalId && lines > most) {
      best = id
      most = lines
    }
  }
  return (counts.byFormat.get(generalId) ?? 0) > most * 10 ? generalId : best
}
