/**
 * mysqlconn as a library: says why MySQL connections break, from packet captures.
 *
 *   import { analyze } from 'mysqlconn'
 *   const report = await analyze(['capture.pcap'])
 *   for (const f of report.findings) console.log(f.severity, f.title)
 *
 * This is the only public entry; what it does not export may change at any time.
 */

import type { RuleMeta } from './detect/rule.ts'
import { RULES as ALL_RULES } from './detect/rules/index.ts'

export { analyze } from './analyze.ts'
export { type CaptureInfoOptions, captureInfo } from './capture-info.ts'
export { type ErrorCode, EXIT, MysqlconnError } from './core/errors.ts'
export type { RuleFamily, RuleMeta } from './detect/rule.ts'
export { analyzeBuffer } from './memory.ts'
export type { AnalyzeOptions, Progress } from './options.ts'
export type * from './report/model.ts'
export { REPORT_SCHEMA } from './report/model.ts'
export { type ProxySettings, type RunningProxy, startProxy } from './serve.ts'
export { type Slice, type SliceFile, type SliceOptions, slice } from './slice.ts'
export { VERSION } from './version.ts'

/** Every rule with what it sees, why it matters and how to fix it, in alphabetical order. */
export const RULES: readonly RuleMeta[] = ALL_RULES.map((r) => r.meta).sort((a, b) => (a.id < b.id ? -1 : 1))
