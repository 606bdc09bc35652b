/** The JSON Schemas of what is written and read (contract.md section 3). */
import { Args } from '@oclif/core'
import { BaseCommand } from '../src/cli/base-command.ts'
import { RULES } from '../src/index.ts'
import { BASELINE_SCHEMA, policySchema } from '../src/policy/policy.ts'
import { type JsonSchema, REPORT_JSON_SCHEMA } from '../src/report/schema.ts'

const SCHEMAS: Record<string, () => JsonSchema> = {
  report: () => REPORT_JSON_SCHEMA,
  policy: () => policySchema(RULES.map((r) => r.id)),
  baseline: () => BASELINE_SCHEMA,
}

export default class Schema extends BaseCommand {
  static override summary = 'Print the JSON Schema of the report, of a policy or of a baseline.'
  static override description =
    'JSON Schema 2020-12 of what analyze --format json prints, or of the files that check reads. Fields are only ever added within mysqlconn.report/1.'
  static override examples = [
    '<%= config.bin %> schema > mysqlconn.schema.json',
    '<%= config.bin %> schema policy > mysqlconn-policy.schema.json',
  ]
  static override args = {
    of: Args.string({ description: 'of what', options: Object.keys(SCHEMAS), default: 'report', ignoreStdin: true }),
  }

  async run(): Promise<void> {
    const { args } = await this.parse(Schema)
    await this.print([JSON.stringify(SCHEMAS[args.of]!(), null, 2)])
  }
}
