/** The report as newline-delimited JSON: the same objects, one a line, each with a `type` (contract.md section 3). */
import type { Report } from './model.ts'

export function* renderNdjson(report: Report): Iterable<string> {
  const { schema, tool, partial } = report
  yield line('tool', { schema, ...tool, partial })
  for (const input of report.inputs) yield line('input', input)
  for (const session of report.sessions) yield line('session', session)
  for (const finding of report.findings) yield line('finding', finding)
  for (const bucket of report.idle?.histogram ?? []) yield line('idle-bucket', bucket)
  for (const timer of report.idle?.timers ?? []) yield line('idle-timer', timer)
  for (const timer of report.timers?.settings ?? []) yield line('timer', timer)
  for (const conflict of report.timers?.conflicts ?? []) yield line('timer-conflict', conflict)
  if (report.around !== undefined) {
    const { events, ...around } = report.around
    yield line('around', around)
    for (const event of events) yield line('around-event', event)
  }
  for (const ladder of report.ladders ?? []) yield line('ladder', ladder)
  if (report.check !== undefined) yield line('check', report.check)
  for (const c of report.pollution?.connections ?? []) yield line('polluted-connection', c)
  for (const state of report.pollution?.states ?? []) yield line('polluted-state', state)
  for (const c of report.pollution?.shared ?? []) yield line('shared-connection', c)
  if (report.trace !== undefined) {
    const { events, ...trace } = report.trace
    yield line('trace', trace)
    for (const event of events) yield line('event', event)
  }
  for (const bug of report.bugs ?? []) yield line('bug', bug)
  yield line('summary', report.summary)
}

const line = (type: string, value: object): string => JSON.stringify({ type, ...value })
