/** The ladder of a finding: what happened on the legs of its first broken session, on one clock. For the HTML report. */
import type { TraceEventReport } from './model.ts'

export interface LadderReport {
  /** Id of the finding. */
  finding: string
  /** Hosts from left to right; leg `n` runs between hosts `n` and `n + 1`. */
  hosts: LadderHost[]
  legs: { session: string; client: string; server: string }[]
  /** In order of time. */
  events: LadderEvent[]
  /** Events left out in the middle. */
  dropped: number
}

export interface LadderHost {
  name: string
  address: string
}

/** `offsetSeconds` counts from the first event of the ladder; `leg` is null for what belongs to no leg. */
export interface LadderEvent extends TraceEventReport {
  leg: number | null
  /** Input whose frame or line it is. */
  input: string
}
