/** The rules' own words, for renderers that declare them (SARIF) or list those that found nothing (JUnit). */
import type { RuleMeta } from '../detect/rule.ts'
import { RULES } from '../detect/rules/index.ts'

/** In alphabetical order. */
export const RULE_BOOK: readonly RuleMeta[] = RULES.map((r) => r.meta).sort((a, b) => (a.id < b.id ? -1 : 1))

/** Where the rule's page is, in the installed package and in the repository. */
export const rulePage = (id: string): string => `docs/rules.md#${id}`
