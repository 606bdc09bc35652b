/** Every rule, most specific first: a rule sees which sessions an earlier one has explained. */
import type { Rule } from '../rule.ts'
import clientNoQuit from './client-no-quit.ts'
import clientTimeout from './client-timeout.ts'
import clientVanished from './client-vanished.ts'
import connectionKilled from './connection-killed.ts'
import queryCancelled from './query-cancelled.ts'
import rstAfterQuery from './rst-after-query.ts'

export const RULES: readonly Rule[] = [connectionKilled, clientTimeout, clientVanished, rstAfterQuery, clientNoQuit, queryCancelled]
